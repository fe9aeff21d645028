var i=`/* Prints the sum of two numbers: run it, then judge it. */
#include <stdio.h>

int main(void) {
    long first, second;
    if (scanf("%ld %ld", &first, &second) != 2) return 1;
    printf("%ld\\n", first + second);
    return 0;
}
`;export{i as default};
