var n=`/* Prints the sum of two numbers. Press Judge to see whether it does. */
#include <stdio.h>

int main(void) {
    long first, second;
    if (scanf("%ld %ld", &first, &second) != 2) return 1;
    printf("%ld\\n", first + second);
    return 0;
}
`;export{n as default};
