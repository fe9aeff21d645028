var s=`! Prints the sum of two numbers: press Judge.
program sum_of_two
  implicit none
  integer(8) :: first, second
  read *, first, second
  print '(i0)', first + second
end program
`;export{s as default};
