var e=`! Prints the sum of two numbers: run it, then judge it.
program sum_of_two
  implicit none
  integer(8) :: first, second
  read *, first, second
  print '(i0)', first + second
end program
`;export{e as default};
