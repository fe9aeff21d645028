var r=`# Prints the sum of two numbers. Press Judge to see whether it does.
read -r first second
echo $((first + second))
`;export{r as default};
