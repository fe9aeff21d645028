assert input() == "tell"
print("next", flush=True)
while input() != "end":
    print("next", flush=True)
print("a")
