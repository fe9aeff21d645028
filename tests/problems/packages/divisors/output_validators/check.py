import sys

number = int(open(sys.argv[1]).read())
answer = open(sys.argv[2]).read().split()
words = sys.stdin.read().split()


def wrong(message):
    with open(sys.argv[3] + "judgemessage.txt", "w") as file:
        file.write(message)
    sys.exit(43)


if answer == ["none"] or words == ["none"]:
    sys.exit(42 if words == answer else 43)
if len(words) != 2 or not all(word.isdecimal() for word in words):
    wrong("not two numbers")
first, second = map(int, words)
if first * second != number or 1 in (first, second):
    wrong(f"{first} times {second} is not {number}")
sys.exit(42)
