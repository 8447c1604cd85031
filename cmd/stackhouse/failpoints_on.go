//go:build failpoints

package main

import (
	"fmt"
	"os"

	"github.com/stackhouse-db/stackhouse/warehouse/failpoint"
)

// failpointsVariable is the environment variable that sets failpoints; "list"
// prints all that there are, and ends the program.
const failpointsVariable = "STACKHOUSE_FAILPOINTS"

func failpoints(env lookup) (*failpoint.Points, error) {
	text, _ := env(failpointsVariable)
	if text == "list" {
		for _, d := range failpoint.All() {
			fmt.Printf("%s\t%s\n", d.Name, d.What)
		}
		os.Exit(0)
	}
	return failpoint.Parse(text)
}
