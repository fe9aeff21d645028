# @EXPECTED_SCORE@: 60
count = int(input())
heights = list(map(int, input().split()))
print(heights.index(max(heights)) + 1 if count > 5 else 0)
