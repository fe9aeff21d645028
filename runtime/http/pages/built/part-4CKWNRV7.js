var t=`<?php
// Prints the sum of two numbers. Press Judge to see whether it does.
[$first, $second] = explode(" ", trim(fgets(STDIN)));
echo $first + $second, "\\n";
`;export{t as default};
