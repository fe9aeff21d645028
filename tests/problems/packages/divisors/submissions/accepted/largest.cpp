#include <iostream>

int main() {
    int number;
    std::cin >> number;
    for (int factor = number - 1; factor > 1; factor--)
        if (number % factor == 0) {
            std::cout << factor << " " << number / factor << "\n";
            return 0;
        }
    std::cout << "none\n";
}
