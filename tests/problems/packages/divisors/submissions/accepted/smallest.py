number = int(input())
print(next((f"{f} {number // f}" for f in range(2, number) if number % f == 0), "none"))
