var s=`// Prints the sum of two numbers: press Judge.
package main

import "fmt"

func main() {
	var first, second int
	fmt.Scan(&first, &second)
	fmt.Println(first + second)
}
`;export{s as default};
