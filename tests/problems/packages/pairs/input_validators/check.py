import sys

target, numbers = sys.stdin.read().splitlines()
int(target)
sys.exit(42 if len(numbers.split()) >= 1 and all(number == str(int(number)) for number in numbers.split()) else 43)
