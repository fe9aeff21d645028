action, word = input().split()
print("a" * int(word) if action == "encode" else len(word))
