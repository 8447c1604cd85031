package catalog

import "github.com/stackhouse-db/stackhouse/sql/lex"

// Star is the label of an item that stands for any number of columns.
const Star = "*"

// noLabel is what PostgreSQL calls an expression that nothing lends a name to.
const noLabel = "?column?"

// Labels returns how PostgreSQL calls what the items of a statement's outermost query
// return, where DuckDB would show the expression: count for count(*), text for
// 'a'::text, ?column? for 1 + 2. An item that stands for several columns is [Star]. It
// is nil when the text is no query, or one in brackets.
func Labels(text string) []string {
	l := &labeller{structure: analyse(scan(text))}
	for i, t := range l.tokens {
		if t.isWord("select") && l.depth[i] == 0 {
			return l.items(i)
		}
	}
	return nil
}

type labeller struct {
	*structure
	nested int // expressions around the one at hand
}

// maxNested is how deep a name is looked for.
const maxNested = 16

// items labels the items of the query whose SELECT is token i.
func (l *labeller) items(i int) []string {
	level := l.depth[i]
	i++
	switch {
	case l.at(i).isWord("all"):
		i++
	case l.at(i).isWord("distinct"):
		i++
		if l.at(i).isWord("on") && l.at(i+1).partner > 0 {
			i = l.at(i+1).partner + 1
		}
	}
	var labels []string
	for start := i; ; i++ {
		if i < len(l.tokens) && (l.depth[i] > level || l.clause[i] == selectClause && !l.tokens[i].isPunct(",")) {
			continue
		}
		if i > start {
			labels = append(labels, l.item(start, i))
		}
		if i >= len(l.tokens) || l.depth[i] < level || !l.tokens[i].isPunct(",") || l.clause[i] != selectClause {
			return labels
		}
		start = i + 1
	}
}

// item labels the tokens [from, to), an expression and its alias.
func (l *labeller) item(from, to int) string {
	last, before := l.at(to-1), l.at(to-2)
	switch {
	case l.at(from).isOp("*"), last.isOp("*") && before.isPunct("."), l.at(from).isWord("columns") && l.at(from+1).isPunct("("):
		return Star
	case to-from > 1 && before.isWord("as"):
		return l.aliasName(last)
	case to-from > 1 && l.isAlias(to-1) && l.operand[to-2] >= from && !before.isPunct(".") && l.depth[to-2] == l.depth[to-1] &&
		l.typeStart(to-1) < 0:
		return l.aliasName(last)
	}
	if label := l.expression(from, to); label != "" {
		return label
	}
	return noLabel
}

func (l *labeller) aliasName(t token) string {
	if t.Kind == lex.String && len(t.name) > 1 {
		return t.name[1 : len(t.name)-1]
	}
	return t.name
}

// expression returns the name that the tokens [from, to) lend to a column, or "".
func (l *labeller) expression(from, to int) string {
	l.nested++
	defer func() { l.nested-- }()
	if l.nested > maxNested {
		return ""
	}
	for i := from + 1; i < to; i++ {
		if l.depth[i] != l.depth[from] {
			continue
		}
		switch t := l.at(i); {
		case t.isWord("over"), t.isWord("filter"), t.isWord("within"):
			to = i
		case t.isWord("at") && l.at(i+1).isWord("time"):
			return "timezone"
		}
	}
	if to <= from {
		return ""
	}
	if to == from+2 && l.at(from).isName() && l.at(from+1).Kind == lex.String {
		return canonicalType(l.at(from).name) // date '2000-01-01'
	}
	if l.operand[to-1] != from {
		return ""
	}
	for i := to - 1; i > from; i-- {
		if l.depth[i] == l.depth[from] && l.at(i).isOp("::") {
			return l.castTo(from, i, i+1)
		}
	}
	return l.operandLabel(from, to)
}

// castTo labels a cast of the tokens [from, to) to the type at token i.
func (l *labeller) castTo(from, to, i int) string {
	if label := l.expression(from, to); label != "" && label != "case" {
		return label
	}
	_, name := l.typeAt(i)
	return canonicalType(l.at(name).name)
}

// operandLabel labels an operand without casts behind it.
func (l *labeller) operandLabel(from, to int) string {
	switch first, last := l.at(from), l.at(to-1); {
	case first.isWord("case"):
		return l.caseLabel(from, to)
	case first.isWord("array"):
		return "array"
	case first.isWord("true"), first.isWord("false"):
		return "bool"
	case first.isWord("null") || first.Kind != lex.Word && first.Kind != lex.Quoted && first.Kind != lex.Punct:
		return ""
	case last.isPunct("]"):
		if last.partner <= from {
			return "array"
		}
		return l.expression(from, last.partner)
	case first.isPunct("("):
		if l.at(from + 1).isWord("select") {
			if labels := l.items(from + 1); len(labels) > 0 && labels[0] != noLabel && labels[0] != Star {
				return labels[0]
			}
			return ""
		}
		return l.expression(from+1, to-1)
	case first.isWord("cast") && l.at(from+1).isPunct("("):
		for i := from + 2; i < to; i++ {
			if l.opener[i] == from+1 && l.at(i).isWord("as") {
				return l.castTo(from+2, i, i+1)
			}
		}
		return ""
	case last.isPunct(")"):
		return l.at(last.partner - 1).name // the function
	case last.isName():
		return last.name
	}
	return ""
}

// caseLabel is the name of the ELSE, if it is a column's, else "case".
func (l *labeller) caseLabel(from, to int) string {
	for i := to - 2; i > from; i-- {
		if l.depth[i] == l.depth[from] && l.at(i).isWord("else") {
			if label := l.expression(i+1, to-1); label != "" && l.at(to-2).isName() {
				return label
			}
			break
		}
	}
	return "case"
}

// canonicalType is the name in pg_type of a type that SQL calls otherwise.
func canonicalType(name string) string {
	switch name {
	case "int", "integer":
		return "int4"
	case "bigint":
		return "int8"
	case "smallint":
		return "int2"
	case "real":
		return "float4"
	case "double", "float":
		return "float8"
	case "boolean":
		return "bool"
	case "decimal":
		return "numeric"
	case "character":
		return "bpchar"
	}
	return name
}
