var s=`<?php
// Prints the sum of two numbers: run it, then judge it.
[$first, $second] = explode(" ", trim(fgets(STDIN)));
echo $first + $second, "\\n";
`;export{s as default};
