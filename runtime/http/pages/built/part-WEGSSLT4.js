var i=`// Prints the sum of two numbers: run it, then judge it.
package main

import "fmt"

func main() {
	var first, second int
	fmt.Scan(&first, &second)
	fmt.Println(first + second)
}
`;export{i as default};
