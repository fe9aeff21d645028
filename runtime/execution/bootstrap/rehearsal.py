"""What most programs do: where it writes, the pages are copied ahead for each worker."""

import sys


class Word:
    def __init__(self, letters):
        self.letters = letters

    def __repr__(self):
        return f"<{self.letters!r:>8} {len(self.letters):3d}>"


def words(count):
    for number in range(count):
        yield Word("word %d" % number)


try:
    line = input()
except EOFError as error:
    line = "1 2.5 three"
numbers = [float(word) for word in line.split() if word[0].isdigit()]
known = {str(word): [word] for word in words(20)}
print(sorted(known)[:3], sum(numbers), max(known.values(), key=lambda row: len(row[0].letters)), 2**70 // 3)
print(*range(20), sep=", ", file=sys.stderr)
