var s=`-- Prints the sum of two numbers: press Judge.
main :: IO ()
main = interact $ \\text -> show (sum (map read (words text)) :: Integer) ++ "\\n"
`;export{s as default};
