var r=`-- Prints the sum of two numbers: run it, then judge it.
CREATE TABLE numbers (first INTEGER, second INTEGER);
.separator " "
.import /dev/stdin numbers
SELECT first + second FROM numbers;
`;export{r as default};
