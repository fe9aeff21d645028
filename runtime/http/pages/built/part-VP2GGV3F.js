var s=`-- Prints the sum of two numbers. Press Judge to see whether it does.
main :: IO ()
main = interact $ \\text -> show (sum (map read (words text)) :: Integer) ++ "\\n"
`;export{s as default};
