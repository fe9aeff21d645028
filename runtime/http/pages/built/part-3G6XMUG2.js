var i=`# Prints the sum of two numbers: press Judge.
first, second = map(int, input().split())
print(first + second)
`;export{i as default};
