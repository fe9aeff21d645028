var t=`<?php
// Prints the sum of two numbers: press Judge.
[$first, $second] = explode(" ", trim(fgets(STDIN)));
echo $first + $second, "\\n";
`;export{t as default};
