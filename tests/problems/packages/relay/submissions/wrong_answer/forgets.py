if input() == "tell":
    print("next", flush=True)
    while input() != "end":
        print("next", flush=True)
    print("a")
else:
    input()
    print(7)
