var r=`{ Prints the sum of two numbers: run it, then judge it. }
program Sum;
var first, second: int64;
begin
  read(first, second);
  writeln(first + second);
end.
`;export{r as default};
