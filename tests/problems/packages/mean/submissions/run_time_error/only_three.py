input()
first, second, third = map(float, input().split())
print((first + second + third) / 3)
