var t=`# Prints the sum of two numbers. Press Judge to see whether it does.
numbers <- scan(file("stdin"), quiet = TRUE)
cat(sum(numbers), "\\n", sep = "")
`;export{t as default};
