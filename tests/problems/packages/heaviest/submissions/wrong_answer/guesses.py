input()
print("! 1")
