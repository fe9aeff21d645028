var t=`% Prints the sum of two numbers: run it, then judge it.
numbers = sscanf(fgetl(stdin), "%d");
printf("%d\\n", sum(numbers));
`;export{t as default};
