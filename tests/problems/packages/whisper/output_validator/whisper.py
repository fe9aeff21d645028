import os
import sys

answer = open(sys.argv[2]).read().strip()
feedback = sys.argv[3]
words = sys.stdin.read().split()
state = feedback + "first-pass"


def wrong(message):
    with open(feedback + "judgemessage.txt", "a") as file:
        file.write(message + "\n")
    sys.exit(43)


if not os.path.exists(state):
    if len(words) != 1 or set(words[0]) - {"a", "b"} or len(words[0]) > 12:
        wrong("first pass: must be at most 12 letters a and b")
    open(state, "w").close()
    with open(feedback + "nextpass.in", "w") as file:
        file.write(f"decode {words[0]}\n")
    sys.exit(42)
if words != [answer]:
    wrong(f"second pass: {' '.join(words)} is not {answer}")
sys.exit(42)
