var n=`-- Prints the sum of two numbers: press Judge.
local first, second = io.read("n", "n")
print(first + second)
`;export{n as default};
