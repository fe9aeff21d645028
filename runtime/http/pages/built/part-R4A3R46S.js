var t=`-- Prints the sum of two numbers. Press Judge to see whether it does.
local first, second = io.read("n", "n")
print(first + second)
`;export{t as default};
