var r=`# Prints the sum of two numbers: press Judge.
read -r first second
echo $((first + second))
`;export{r as default};
