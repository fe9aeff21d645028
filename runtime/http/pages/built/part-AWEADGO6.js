var r=`-- Prints the sum of two numbers: press Judge.
CREATE TABLE numbers (first INTEGER, second INTEGER);
.separator " "
.import /dev/stdin numbers
SELECT first + second FROM numbers;
`;export{r as default};
