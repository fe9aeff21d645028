var i=`// Prints the sum of two numbers: run it, then judge it.
import java.util.Scanner;

public class Main {
    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        System.out.println(input.nextLong() + input.nextLong());
    }
}
`;export{i as default};
