var n=`-- Prints the sum of two numbers: run it, then judge it.
main :: IO ()
main = interact $ \\text -> show (sum (map read (words text)) :: Integer) ++ "\\n"
`;export{n as default};
