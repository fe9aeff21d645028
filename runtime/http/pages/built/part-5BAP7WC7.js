var n=`# Prints the sum of two numbers: press Judge.
numbers <- scan(file("stdin"), quiet = TRUE)
cat(sum(numbers), "\\n", sep = "")
`;export{n as default};
