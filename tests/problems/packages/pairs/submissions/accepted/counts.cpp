#include <iostream>
#include <unordered_map>

int main() {
    long long target, number, total = 0;
    std::cin >> target;
    std::unordered_map<long long, long long> seen;
    while (std::cin >> number) {
        auto found = seen.find(target - number);
        if (found != seen.end()) total += found->second;
        seen[number]++;
    }
    std::cout << total << "\n";
}
