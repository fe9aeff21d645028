var o=`// Prints the sum of two numbers. Press Judge to see whether it does.
using System;
using System.Linq;

class Program {
    static void Main() {
        Console.WriteLine(Console.ReadLine().Split().Sum(word => long.Parse(word)));
    }
}
`;export{o as default};
