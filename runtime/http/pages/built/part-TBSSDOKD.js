var s=`{ Prints the sum of two numbers: press Judge. }
program Sum;
var first, second: int64;
begin
  read(first, second);
  writeln(first + second);
end.
`;export{s as default};
