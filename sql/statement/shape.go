package statement

import (
	"strings"

	"github.com/stackhouse-db/stackhouse/sql/lex"
)

// maxShape bounds what is kept of a statement.
const maxShape = 2000

// shapeOf returns a statement's shape: its words in lower case, one space between
// tokens, and a question mark for every literal, of which lists have only the first.
// Nothing of the values that a client sent is in it.
func shapeOf(text string) string {
	var out []string
	size := 0
	for _, t := range lex.Tokens(text) {
		token := t.Of(text)
		switch t.Kind {
		case lex.String, lex.Number:
			token = "?"
			if n := len(out); n >= 2 && out[n-1] == "," && out[n-2] == "?" {
				out = out[:n-1] // the list has its first
				continue
			}
		case lex.Word:
			token = t.Word(text)
		}
		if size += len(token) + 1; size > maxShape {
			out = append(out, "…")
			break
		}
		out = append(out, token)
	}
	return strings.Join(out, " ")
}
