package catalog

import (
	"regexp"
	"strings"

	"github.com/stackhouse-db/stackhouse/sql/lex"
)

// array handles a string at token i that is an array: '{1,2}'::oid[], ANY('{1,2}'),
// x <> '{0}', CAST('{a}' AS text[]).
func (r *rewriter) array(i int) {
	t := r.tokens[i]
	if !strings.HasPrefix(t.name, "'{") || !strings.HasSuffix(t.name, "}'") {
		return
	}
	list, ok := listLiteral(t.name[2 : len(t.name)-2])
	if !ok {
		return
	}
	if r.isArray(i, list) {
		r.replace(i, i+1, list)
	}
}

var numbers = regexp.MustCompile(`^\[[0-9, ]*\]$`)

func (r *rewriter) isArray(i int, list string) bool {
	if next := r.at(i + 1); next.isOp("::") || next.isWord("as") && r.at(i-2).isWord("cast") {
		end, name := r.typeAt(i + 2)
		switch r.at(name).name {
		case "int2vector", "oidvector":
			return true
		}
		return end > name+1 && r.at(end-1).isPunct("]")
	}
	switch before := r.at(i - 1); {
	case before.isPunct("(") && r.at(i+1).isPunct(")"):
		return r.at(i-2).isWord("any") || r.at(i-2).isWord("all") || r.at(i-2).isWord("some")
	case before.isOp("=") || before.isOp("<>") || before.isOp("!="):
		return numbers.MatchString(list)
	}
	return false
}

// equalsAny handles value = ANY (list) in the condition of a join. DuckDB takes ANY
// for a subquery, which an outer join cannot hold.
func (r *rewriter) equalsAny(i int) {
	open := i + 2
	if !r.at(i+1).isWord("any") || !r.at(open).isPunct("(") || r.at(open).partner < 0 || i == 0 || r.operand[i-1] < 0 || !r.inJoin(i) {
		return
	}
	closing := r.at(open).partner
	if r.operandEnd(open+1) != closing || !r.at(open+1).isName() {
		return
	}
	r.before(r.operand[i-1], "list_contains("+r.text[r.tokens[open+1].Start:r.tokens[closing-1].End]+", ")
	r.replace(i, closing+1, ")")
	r.done = closing + 1
}

// inJoin reports whether token i is in a FROM clause, brackets aside.
func (r *rewriter) inJoin(i int) bool {
	for ; i >= 0; i = r.opener[i] {
		if r.clause[i] != noClause {
			return r.clause[i] == fromClause
		}
	}
	return false
}

// element is one item of an array's text: in double quotes, or plain.
var element = regexp.MustCompile(`^\s*(?:"((?:[^"\\]|\\.)*)"|([^",{}\\]*?))\s*(,|$)`)

// listLiteral turns what stands in the braces of a one-dimensional array into a list
// of DuckDB. Quotes in it are doubled already.
func listLiteral(text string) (string, bool) {
	var items []string
	for rest := text; rest != "" || len(items) > 0; {
		m := element.FindStringSubmatchIndex(rest)
		if m == nil {
			return "", false
		}
		switch {
		case m[2] >= 0:
			items = append(items, "'"+unescape(rest[m[2]:m[3]])+"'")
		case strings.EqualFold(rest[m[4]:m[5]], "null"):
			items = append(items, "NULL")
		case isNumber(rest[m[4]:m[5]]):
			items = append(items, rest[m[4]:m[5]])
		case m[4] == m[5]:
			return "", false
		default:
			items = append(items, "'"+rest[m[4]:m[5]]+"'")
		}
		if m[6] == m[7] {
			break
		}
		rest = rest[m[1]:]
	}
	return "[" + strings.Join(items, ", ") + "]", true
}

func isNumber(s string) bool {
	for i := range len(s) {
		if !lex.IsDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

var escaped = regexp.MustCompile(`\\(.)`)

func unescape(s string) string { return escaped.ReplaceAllString(s, "$1") }
