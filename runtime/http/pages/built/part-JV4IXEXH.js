var n=`# Prints the sum of two numbers: run it, then judge it.
use strict;
use warnings;

my ($first, $second) = split " ", <STDIN>;
print $first + $second, "\\n";
`;export{n as default};
