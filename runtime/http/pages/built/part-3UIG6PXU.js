var e=`% Prints the sum of two numbers: press Judge.
numbers = sscanf(fgetl(stdin), "%d");
printf("%d\\n", sum(numbers));
`;export{e as default};
