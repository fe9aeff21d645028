var r=`-- Prints the sum of two numbers. Press Judge to see whether it does.
CREATE TABLE numbers (first INTEGER, second INTEGER);
.separator " "
.import /dev/stdin numbers
SELECT first + second FROM numbers;
`;export{r as default};
