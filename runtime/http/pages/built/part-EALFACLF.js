var t=`% Prints the sum of two numbers. Press Judge to see whether it does.
numbers = sscanf(fgetl(stdin), "%d");
printf("%d\\n", sum(numbers));
`;export{t as default};
