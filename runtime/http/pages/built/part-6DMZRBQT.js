var t=`// Prints the sum of two numbers: press Judge.
#include <iostream>

int main() {
    long first, second;
    std::cin >> first >> second;
    std::cout << first + second << "\\n";
}
`;export{t as default};
