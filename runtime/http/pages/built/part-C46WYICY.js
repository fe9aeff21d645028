var e=`-- Prints the sum of two numbers: run it, then judge it.
local first, second = io.read("n", "n")
print(first + second)
`;export{e as default};
