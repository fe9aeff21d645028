"""What every program does: what it writes to is copied ahead for each worker."""

try:
    line = input()
except EOFError:
    line = "7"
print(int(line) * 6, f"{line}")
