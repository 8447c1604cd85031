package catalog

import (
	"strings"

	"github.com/stackhouse-db/stackhouse/sql/lex"
)

// token is a piece of a text other than space and comments.
type token struct {
	lex.Token
	name    string // of a word in lower case, of a quoted one without its quotes; else the text
	partner int    // of a bracket: the other one's token; -1 without one
}

// brackets are those that have partners: the opening one by the closing one.
var brackets = map[string]string{")": "(", "]": "["}

// scan returns the tokens of a text.
func scan(text string) []token {
	code := lex.Tokens(text)
	out := make([]token, len(code))
	var open []int // brackets that wait for their partners
	for i, c := range code {
		t := token{Token: c, name: c.Of(text), partner: -1}
		switch c.Kind {
		case lex.Word:
			t.name = strings.ToLower(t.name)
		case lex.Quoted:
			t.name = c.Name(text)
		case lex.Punct:
			switch n := len(open); {
			case t.name == "(" || t.name == "[":
				open = append(open, i)
			case n > 0 && brackets[t.name] == out[open[n-1]].name:
				t.partner, out[open[n-1]].partner = open[n-1], i
				open = open[:n-1]
			}
		}
		out[i] = t
	}
	return out
}

func (t token) isPunct(name string) bool { return t.Kind == lex.Punct && t.name == name }
func (t token) isWord(name string) bool  { return t.Kind == lex.Word && t.name == name }
func (t token) isOp(name string) bool    { return t.Kind == lex.Operator && t.name == name }
func (t token) isName() bool             { return t.Kind == lex.Word || t.Kind == lex.Quoted }
