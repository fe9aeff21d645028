var n=`// Prints the sum of two numbers: run it, then judge it.
using System;
using System.Linq;

class Program {
    static void Main() {
        Console.WriteLine(Console.ReadLine().Split().Sum(word => long.Parse(word)));
    }
}
`;export{n as default};
