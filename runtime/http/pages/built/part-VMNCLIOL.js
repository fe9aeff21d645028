var e=`// Prints the sum of two numbers. Press Judge to see whether it does.
import java.util.Scanner;

public class Main {
    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        System.out.println(input.nextLong() + input.nextLong());
    }
}
`;export{e as default};
