count = int(input())
best = 1
for stone in range(2, count + 1):
    print("?", stone, best, flush=True)
    if input() == "heavier":
        best = stone
print("!", best, flush=True)
input()
