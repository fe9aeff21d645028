var o=`// Prints the sum of two numbers. Press Judge to see whether it does.
import { readFileSync } from "fs";

const [first, second]: number[] = readFileSync(0, "utf8").split(/\\s+/).map(Number);
console.log(first + second);
`;export{o as default};
