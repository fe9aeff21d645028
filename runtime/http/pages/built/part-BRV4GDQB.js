var r=`// Prints the sum of two numbers: press Judge.
import { readFileSync } from "fs";

const [first, second]: number[] = readFileSync(0, "utf8").split(/\\s+/).map(Number);
console.log(first + second);
`;export{r as default};
