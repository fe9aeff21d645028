var t=`# Prints the sum of two numbers. Press Judge to see whether it does.
first, second = gets.split.map(&:to_i)
puts first + second
`;export{t as default};
