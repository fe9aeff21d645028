var r=`# Prints the sum of two numbers: run it, then judge it.
read -r first second
echo $((first + second))
`;export{r as default};
