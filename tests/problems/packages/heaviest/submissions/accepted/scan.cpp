#include <iostream>
#include <string>

int main() {
    int count, best = 1;
    std::cin >> count;
    for (int stone = 2; stone <= count; ++stone) {
        std::string answer;
        std::cout << "? " << stone << " " << best << std::endl;
        std::cin >> answer;
        if (answer == "heavier") best = stone;
    }
    std::cout << "! " << best << std::endl;
}
