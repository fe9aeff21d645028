var r=`{ Prints the sum of two numbers. Press Judge to see whether it does. }
program Sum;
var first, second: int64;
begin
  read(first, second);
  writeln(first + second);
end.
`;export{r as default};
