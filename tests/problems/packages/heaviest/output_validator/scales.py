import sys

with open(sys.argv[1]) as file:
    count, questions = map(int, file.readline().split())
    weights = list(map(int, file.readline().split()))
with open(sys.argv[2]) as file:
    answer = int(file.read())


def wrong(message):
    with open(sys.argv[3] + "judgemessage.txt", "w") as file:
        file.write(message)
    sys.exit(43)


def number(word):
    if not word.isdigit() or not 1 <= int(word) <= count:
        wrong(f"{word!r} is no stone")
    return int(word)


print(count, flush=True)
while True:
    words = sys.stdin.readline().split()
    if len(words) == 3 and words[0] == "?":
        if questions == 0:
            wrong("one question too many")
        questions -= 1
        left, right = (weights[number(word) - 1] for word in words[1:])
        print("heavier" if left > right else "lighter", flush=True)
    elif len(words) == 2 and words[0] == "!":
        if number(words[1]) != answer:
            wrong(f"stone {words[1]} is not the heaviest")
        break
    else:
        wrong(f"neither a question nor an answer: {words[:5]}")
if sys.stdin.read().strip():
    wrong("words after the answer")
sys.exit(42)
