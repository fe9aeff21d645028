var i=`// Prints the sum of two numbers: press Judge.
using System;
using System.Linq;

class Program {
    static void Main() {
        Console.WriteLine(Console.ReadLine().Split().Sum(word => long.Parse(word)));
    }
}
`;export{i as default};
