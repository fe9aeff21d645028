var i=`// Prints the sum of two numbers: run it, then judge it.
fun main() {
    val (a, b) = readln().split(" ").map { it.toLong() }
    println(a + b)
}
`;export{i as default};
