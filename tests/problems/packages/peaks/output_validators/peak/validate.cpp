// Any place of the highest peak has all points, and any other place of a peak half of them.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>
#include "verdict.h"

int main(int argc, char **argv) {
    std::ifstream input(argv[1]);
    std::string feedback = argv[3];
    double points = argc > 5 && std::string(argv[4]) == "points" ? std::atof(argv[5]) : 0;
    int count;
    input >> count;
    std::vector<int> heights(count);
    for (int &height : heights) input >> height;
    int place;
    std::string rest;
    if (!(std::cin >> place) || place < 1 || place > count || (std::cin >> rest)) {
        std::ofstream(feedback + "teammessage.txt") << "Print one place from 1 to " << count << ".";
        return WRONG;
    }
    int highest = *std::max_element(heights.begin(), heights.end());
    bool is_highest = heights[place - 1] == highest;
    bool is_peak = (place == 1 || heights[place - 2] <= heights[place - 1]) &&
                   (place == count || heights[place] <= heights[place - 1]);
    if (!is_highest && !is_peak) {
        std::ofstream(feedback + "judgemessage.txt") << "no peak at " << place;
        return WRONG;
    }
    std::ofstream(feedback + "score.txt") << (is_highest ? points : points / 2);
    return ACCEPTED;
}
