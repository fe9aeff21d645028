var e=`# Prints the sum of two numbers: run it, then judge it.
first, second = gets.split.map(&:to_i)
puts first + second
`;export{e as default};
