input()
numbers = list(map(float, input().split()))
print(f"{sum(numbers) / len(numbers):.5f}")
