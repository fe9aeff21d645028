import sys

action, word = open(sys.argv[1]).read().split()
answer = open(sys.argv[2]).read().strip()
feedback = sys.argv[3]


def wrong(message):
    with open(feedback + "judgemessage.txt", "w") as file:
        file.write(message)
    sys.exit(43)


print(action, flush=True)
if action == "tell":
    for digit in word:
        if sys.stdin.readline().split() != ["next"]:
            wrong("first pass: asks for no digit")
        print(digit, flush=True)
    if sys.stdin.readline().split() != ["next"]:
        wrong("first pass: asks for no digit")
    print("end", flush=True)
    note = sys.stdin.readline().strip()
    if not note.isalpha() or len(note) > 4:
        wrong(f"first pass: {note!r} is no note of at most four letters")
    with open(feedback + "nextpass.in", "w") as file:
        file.write(f"ask {note}\n")
else:
    print(word, flush=True)
    found = sys.stdin.readline().strip()
    if found != answer:
        wrong(f"second pass: {found!r} is not {answer}")
if sys.stdin.read():
    wrong("words after the end")
sys.exit(42)
