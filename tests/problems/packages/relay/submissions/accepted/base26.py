if input() == "tell":
    digits = ""
    print("next", flush=True)
    while (digit := input()) != "end":
        digits += digit
        print("next", flush=True)
    left, note = int(digits), ""
    while left or not note:
        left, letter = divmod(left, 26)
        note += chr(ord("a") + letter)
    print(note)
else:
    print(sum((ord(letter) - ord("a")) * 26**place for place, letter in enumerate(input())))
