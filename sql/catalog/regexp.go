package catalog

import (
	"strings"

	"github.com/stackhouse-db/stackhouse/sql/lex"
)

// match is an operator of PostgreSQL that matches a regular expression.
type match struct {
	op    string // DuckDB's, which matches all of a string
	flags string
}

var matchOps = map[string]match{
	"~": {"~", "s"}, "!~": {"!~", "s"}, "~*": {"~", "si"}, "!~*": {"!~", "si"},
}

// match handles an operator in the tokens [i, right), whose right operand starts at
// right. PostgreSQL looks for a match anywhere in the string, and its dot matches the
// end of a line; DuckDB's operator wants the whole string to match. So the pattern is
// what changes, and the left operand need not be found.
func (r *rewriter) match(i, right int, name string) {
	if i == 0 || r.operand[i-1] < 0 {
		return // a prefix operator
	}
	end := r.operandEnd(right)
	if end == right {
		return
	}
	op := matchOps[name]
	if r.text[r.tokens[i].Start:r.tokens[right-1].End] != op.op {
		r.replace(i, right, op.op)
	}
	if t := r.at(right); end == right+1 && t.Kind == lex.String && t.name[0] == '\'' && len(t.name) > 1 {
		r.replace(right, end, "'"+anywhere(t.name[1:len(t.name)-1], op.flags)+"'")
	} else {
		r.before(right, "('(?"+op.flags+":.*(?:' || ")
		r.after(end-1, " || ').*)')")
	}
	r.done = right
	if end == right+1 {
		r.done = end
	}
}

// anywhere makes a pattern match strings that contain a match.
func anywhere(pattern, flags string) string {
	before, behind := ".*", ".*"
	if !strings.Contains(pattern, "|") {
		if strings.HasPrefix(pattern, "^") {
			before = ""
		}
		if strings.HasSuffix(pattern, "$") && !strings.HasSuffix(pattern, `\$`) {
			behind = ""
		}
	}
	return "(?" + flags + ":" + before + "(?:" + pattern + ")" + behind + ")"
}

// like handles a pattern behind LIKE at token i, in which PostgreSQL takes the
// backslash as an escape and DuckDB does not.
func (r *rewriter) like(i int) {
	end := r.operandEnd(i + 1)
	if end == i+1 || r.at(end).isWord("escape") || !strings.Contains(r.text[r.tokens[i+1].Start:r.tokens[end-1].End], `\`) {
		return
	}
	r.after(end-1, ` ESCAPE '\'`)
}
