var t=`# Prints the sum of two numbers. Press Judge to see whether it does.
use strict;
use warnings;

my ($first, $second) = split " ", <STDIN>;
print $first + $second, "\\n";
`;export{t as default};
