var n=`# Prints the sum of two numbers: run it, then judge it.
first, second = map(int, input().split())
print(first + second)
`;export{n as default};
