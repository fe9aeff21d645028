import sys

count, questions = map(int, input().split())
weights = list(map(int, input().split()))
assert len(weights) == len(set(weights)) == count and questions >= count - 1
assert not sys.stdin.read()
sys.exit(42)
