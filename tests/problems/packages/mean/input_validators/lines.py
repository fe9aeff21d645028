import re
import sys

text = sys.stdin.read()
number = r"-?[0-9]+(\.[0-9]+)?"
if not re.fullmatch(rf"[1-9][0-9]*\n{number}( {number})*\n", text):
    sys.exit(43)
count, numbers = text.splitlines()
sys.exit(42 if int(count) == len(numbers.split()) else 43)
