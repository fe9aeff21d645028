# The first peak from the left, which need not be the highest. @EXPECTED_SCORE@: 70
input()
heights = [0, *map(int, input().split()), 0]
print(next(i for i in range(1, len(heights) - 1) if heights[i - 1] <= heights[i] >= heights[i + 1]))
