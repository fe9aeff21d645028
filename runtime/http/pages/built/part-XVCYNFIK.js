var e=`# Prints the sum of two numbers: press Judge.
first, second = gets.split.map(&:to_i)
puts first + second
`;export{e as default};
