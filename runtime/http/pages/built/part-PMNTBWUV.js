var t=`// Prints the sum of two numbers: run it, then judge it.
import { readFileSync } from "fs";

const [first, second]: number[] = readFileSync(0, "utf8").split(/\\s+/).map(Number);
console.log(first + second);
`;export{t as default};
