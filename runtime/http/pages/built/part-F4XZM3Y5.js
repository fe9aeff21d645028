var s=`// Prints the sum of two numbers: run it, then judge it.
#include <iostream>

int main() {
    long first, second;
    std::cin >> first >> second;
    std::cout << first + second << "\\n";
}
`;export{s as default};
