var s=`// Prints the sum of two numbers. Press Judge to see whether it does.
package main

import "fmt"

func main() {
	var first, second int
	fmt.Scan(&first, &second)
	fmt.Println(first + second)
}
`;export{s as default};
