import java.io.*;
import java.util.*;
import java.util.function.*;
import java.util.stream.*;

/** Compiled while the image is built, so that the classes that the compiler needs for it are in its archive. */
public class Sample {
    sealed interface Shape permits Circle, Square {}

    record Circle(double radius) implements Shape {}

    record Square(double side) implements Shape {}

    enum Colour { RED, GREEN }

    static <T extends Comparable<T>> T largest(List<? extends T> all) {
        T found = all.get(0);
        for (T each : all) {
            found = each.compareTo(found) > 0 ? each : found;
        }
        return found;
    }

    static double area(Shape shape) {
        return switch (shape) {
            case Circle c -> Math.PI * c.radius() * c.radius();
            case Square(double side) -> side * side;
        };
    }

    public static void main(String[] args) throws IOException {
        BufferedReader reader = new BufferedReader(new InputStreamReader(System.in));
        Map<String, Integer> counts = new TreeMap<>();
        int[][] table = new int[3][4];
        for (String line; (line = reader.readLine()) != null; ) {
            for (String word : line.split("\\s+")) counts.merge(word, 1, Integer::sum);
        }
        Function<Integer, Integer> twice = n -> n * 2 + table.length;
        String joined = IntStream.range(0, 5).boxed().map(twice).map(String::valueOf).collect(Collectors.joining(", "));
        var colours = EnumSet.allOf(Colour.class);
        try (Scanner scanner = new Scanner("1 2")) {
            System.out.println(joined + counts + colours + area(new Circle(1)) + largest(List.of(scanner.nextInt(), 2)));
        } catch (IllegalStateException | NoSuchElementException error) {
            System.err.printf("%s%n", error.getMessage());
        }
    }
}
