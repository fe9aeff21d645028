var a=`// Prints the sum of two numbers: press Judge.
fun main() {
    val (a, b) = readln().split(" ").map { it.toLong() }
    println(a + b)
}
`;export{a as default};
