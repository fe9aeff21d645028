import java.util.Scanner
import java.util.TreeMap
import kotlin.math.sqrt

/** Compiled and run while the image is built, so that what the compiler and such programs load is in their archives. */
sealed interface Shape {
    val area: Double
}

data class Circle(val radius: Double) : Shape {
    override val area get() = Math.PI * radius * radius
}

data class Square(val side: Double) : Shape {
    override val area by lazy { side * side }
}

enum class Colour { RED, GREEN }

object Counter {
    private var count = 0

    fun next(): Int = ++count
}

abstract class Animal(protected val name: String) {
    abstract fun sound(): String

    open fun speak() = "$name says ${sound()}"
}

class Dog(name: String) : Animal(name) {
    companion object {
        const val SOUND = "woof"
    }

    override fun sound() = SOUND
}

fun <T : Comparable<T>> largest(all: List<T>): T {
    var found = all.first()
    for (each in all) if (each > found) found = each
    return found
}

fun String.vowels(): Int = count { it in "aeiou" }

tailrec fun gcd(a: Long, b: Long): Long = if (b == 0L) a else gcd(b, a % b)

fun describe(shape: Shape): String = when (shape) {
    is Circle -> "circle %.2f".format(shape.radius)
    is Square -> "square ${shape.side}"
}

fun main(args: Array<String>) {
    val words = generateSequence(::readLine).flatMap { it.split(" ") }.toList()
    val counts = TreeMap<String, Int>()
    for (word in words) counts[word] = (counts[word] ?: 0) + 1
    val table = Array(3) { IntArray(4) { column -> column * 2 } }
    val numbers = (1..10 step 2).map { it * it }.filter { it % 2 == 1 }.sortedDescending()
    val groups = numbers.groupBy { it % 3 }.mapValues { (_, each) -> each.sum() }
    val seen = mutableSetOf<Pair<Int, Int>>()
    val queue = ArrayDeque(listOf(0 to 0))
    while (queue.isNotEmpty()) {
        val (x, y) = queue.removeFirst()
        if (x > 2 || y > 2 || !seen.add(x to y)) continue
        queue.addLast(Pair(x + 1, y))
        queue.addLast(Pair(x, y + 1))
    }
    val text = buildString { repeat(3) { append(it).append(',') } }
    val input = Scanner("1 2")
    println(input.nextInt() + input.nextInt() + Counter.next() + gcd(12, 18) + sqrt(2.0))
    println(listOf(Circle(1.0), Square(2.0)).joinToString { describe(it) + it.area })
    println("$counts $groups ${table.sumOf { it.sum() }} ${seen.size} $text ${text.vowels()} ${Colour.entries}")
    println(largest(numbers) + args.size)
    println(Dog("Rex").speak())
    try {
        println("x".toInt())
    } catch (error: NumberFormatException) {
        System.err.println(error.message)
    }
    val missing: String? = words.firstOrNull()?.takeIf { it.isNotBlank() }
    print(missing?.length ?: -1)
    println()
}
