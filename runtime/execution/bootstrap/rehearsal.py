"""What most programs do: where it writes, the pages are copied ahead for each worker."""


def squares(numbers):
    return sorted(number * number for number in numbers)


try:
    line = input()
except EOFError:
    line = "3 1 2"
numbers = list(map(int, line.split()))
counts = {}
for number in numbers:
    counts[number] = counts.get(number, 0) + 1
print(sum(numbers), squares(numbers), f"{max(counts.values())}")
