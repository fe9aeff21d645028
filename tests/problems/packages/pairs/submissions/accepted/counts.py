from collections import Counter

target = int(input())
seen = Counter()
total = 0
for number in map(int, input().split()):
    total += seen[target - number]
    seen[number] += 1
print(total)
