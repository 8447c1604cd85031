package statement

import (
	_ "embed" // lists of functions
	"strings"
)

var (
	//go:embed functions.txt
	functionsText string
	//go:embed refused.txt
	refusedText string

	allowedFunctions = names(functionsText)
	refusedFunctions = names(refusedText)
)

// allowedTableFunctions are those of DuckDB that a FROM clause may name.
var allowedTableFunctions = map[string]bool{
	"range": true, "generate_series": true, "unnest": true, "json_each": true, "json_tree": true,
}

// names reads a list of names.
func names(text string) map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "# ") {
			continue
		}
		for name := range strings.FieldsSeq(line) {
			out[name] = true
		}
	}
	return out
}
