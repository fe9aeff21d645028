var e=`# Prints the sum of two numbers. Press Judge to see whether it does.
first, second = map(int, input().split())
print(first + second)
`;export{e as default};
