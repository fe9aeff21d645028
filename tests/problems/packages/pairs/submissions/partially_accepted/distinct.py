target = int(input())
numbers = list(map(int, input().split()))
print(sum(a + b == target and a != b for i, a in enumerate(numbers) for b in numbers[:i]))
