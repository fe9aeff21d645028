# The validator ends at the question that is too many, and the program then fails of the missing answer.
count = int(input())
wins = [0] * (count + 1)
for left in range(1, count + 1):
    for right in range(1, count + 1):
        if left != right:
            print("?", left, right, flush=True)
            wins[left] += input() == "heavier"
print("!", wins.index(count - 1), flush=True)
