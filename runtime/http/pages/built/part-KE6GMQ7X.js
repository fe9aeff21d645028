var r=`// Prints the sum of two numbers: press Judge.
const [first, second] = require("fs").readFileSync(0, "utf8").split(/\\s+/).map(Number);
console.log(first + second);
`;export{r as default};
