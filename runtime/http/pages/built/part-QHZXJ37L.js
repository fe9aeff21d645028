var t=`// Prints the sum of two numbers: run it, then judge it.
const [first, second] = require("fs").readFileSync(0, "utf8").split(/\\s+/).map(Number);
console.log(first + second);
`;export{t as default};
