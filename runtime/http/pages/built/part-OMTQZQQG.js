var e=`# Prints the sum of two numbers: press Judge.
use strict;
use warnings;

my ($first, $second) = split " ", <STDIN>;
print $first + $second, "\\n";
`;export{e as default};
