package catalog

import (
	"strings"

	"github.com/stackhouse-db/stackhouse/sql/lex"
)

// regTypes are the types whose values are identifiers and whose text is a name. For
// each, there are macros X_in and X_out.
var regTypes = set("regclass", "regtype", "regproc", "regprocedure", "regnamespace", "regrole", "regoper", "regoperator",
	"regcollation", "regconfig", "regdictionary")

// textTypes are the types to which a cast of a regclass gives its name.
var textTypes = set("text", "varchar", "name", "bpchar", "character", "char")

// typeNames are DuckDB's types for those of PostgreSQL that it does not know.
var typeNames = map[string]string{
	"oid": "UINTEGER", "xid": "UINTEGER", "cid": "UINTEGER", "xid8": "BIGINT", "name": "VARCHAR", "bpchar": "VARCHAR", "cstring": "VARCHAR",
	"aclitem": "VARCHAR", "pg_node_tree": "VARCHAR", "pg_lsn": "VARCHAR", "inet": "VARCHAR", "cidr": "VARCHAR", "citext": "VARCHAR",
	"jsonb": "JSON", "int2vector": "SMALLINT[]", "oidvector": "UINTEGER[]", "unknown": "VARCHAR",
	"sql_identifier": "VARCHAR", "character_data": "VARCHAR", "yes_or_no": "VARCHAR", "cardinal_number": "INTEGER",
}

// typeName returns what DuckDB calls the type named by token i; "" when it knows it.
func (r *rewriter) typeName(i, end int) string {
	t := r.at(i)
	if t.name == "char" {
		return "" // both char and "char" exist
	}
	if regTypes[t.name] && end > i+1 {
		return "UINTEGER" // regtype[]
	}
	return typeNames[t.name]
}

// cast handles :: at token i.
func (r *rewriter) cast(i int) {
	end, name := r.typeAt(i + 1)
	if end == i+1 {
		return
	}
	start := -1
	if i > 0 {
		start = r.operand[i-1]
	}
	switch {
	case regTypes[r.at(name).name] && end == name+1 && start >= 0:
		r.regCast(start, i, end, r.at(name).name)
	case textTypes[r.at(name).name] && start >= 0 && r.identifierType(start, i) != "":
		r.before(start, r.identifierType(start, i)+"_out(")
		r.replace(i, end, ")")
		r.done = end
	default:
		if t := r.typeName(name, end); t != "" {
			r.replace(i+1, name+1, t)
			r.done = name + 1
		}
	}
}

// regCast handles a cast of the tokens [start, i) to a type such as regclass, whose
// name ends at end.
func (r *rewriter) regCast(start, i, end int, regType string) {
	stop, out := end, r.isShown(start, end)
	if r.at(end).isOp("::") {
		typeEnd, name := r.typeAt(end + 1)
		if out = textTypes[r.at(name).name] && typeEnd > end+1; out {
			stop = typeEnd
		}
	}
	literal := !r.isColumn(start, i)
	r.before(start, regCall(regType, out, literal))
	if out && literal {
		r.replace(i, stop, "))")
	} else {
		r.replace(i, stop, ")")
	}
	r.done = stop
}

// regCall opens the call that gives the identifier or the name of a value.
func regCall(regType string, out, literal bool) string {
	in := regType + "_in("
	switch {
	case out && literal:
		return regType + "_out(" + in
	case out:
		return regType + "_out("
	}
	return in
}

// isShown reports whether a value of the tokens [start, end) is one that the client
// sees, so that it stands for a name: it is an item of the outermost query, or of a
// subquery that is itself a value and not a list to look into.
func (r *rewriter) isShown(start, end int) bool {
	if !r.isItem(start, end) {
		return false
	}
	if r.depth[start] == 0 {
		return true
	}
	before := r.at(r.opener[start] - 1)
	if before.isWord("array") || before.isWord("then") || before.isWord("else") || before.isWord("select") || before.isPunct(",") {
		literal := r.at(start).Kind == lex.String
		return !literal
	}
	return false
}

// castCall handles CAST(value AS type) at token i.
func (r *rewriter) castCall(i int) {
	open := r.at(i + 1)
	if !open.isPunct("(") || open.partner < 0 {
		return
	}
	as := -1
	for j := i + 2; j < open.partner; j++ {
		if r.opener[j] == i+1 && r.at(j).isWord("as") {
			as = j
		}
	}
	if as < 0 {
		return
	}
	end, name := r.typeAt(as + 1)
	if end != open.partner {
		return
	}
	if !regTypes[r.at(name).name] {
		if t := r.typeName(name, end); t != "" {
			r.replace(as+1, name+1, t)
		}
		return
	}
	literal := !r.isColumn(i+2, as)
	call := regCall(r.at(name).name, r.isShown(i, open.partner+1), literal)
	r.replace(i, i+2, call)
	closing := ""
	if n := len(call); literal && r.isShown(i, open.partner+1) && n > 0 {
		closing = ")"
	}
	r.replace(as, end, closing)
}

// isColumn reports whether the tokens [start, end) are a column: a, b.a. What other
// expressions give may be a name as well as an identifier.
func (r *rewriter) isColumn(start, end int) bool {
	return r.at(start).isName() && r.at(end-1).isName() && r.operand[end-1] == start && r.chainStart(end-1) == start
}

// identifierType returns the type of the identifier that the tokens [start, end) give
// without a cast: a column such as typinput, or to_regclass(…); "" for others.
func (r *rewriter) identifierType(start, end int) string {
	if r.isRegproc(start, end) {
		return "regproc"
	}
	if open := r.at(end - 1).partner; r.at(end-1).isPunct(")") && open > start {
		if name, ok := strings.CutPrefix(r.at(open-1).name, "to_"); ok && regTypes[name] && r.chainStart(open-1) == start {
			return name
		}
	}
	return ""
}

// isRegproc reports whether the tokens [start, end) are a column that names a
// function.
func (r *rewriter) isRegproc(start, end int) bool {
	return r.known.regprocColumns[r.at(end-1).name] && r.isColumn(start, end)
}

// regprocItem gives the name of a function, not its identifier, to a client that asks
// for a column such as typinput.
func (r *rewriter) regprocItem(i int) {
	if r.depth[i] != 0 || r.at(i-1).isPunct(".") {
		return
	}
	last := i
	for r.at(last+1).isPunct(".") && r.at(last+2).isName() {
		last += 2
	}
	if !r.isRegproc(i, last+1) || !r.isItem(i, last+1) {
		return
	}
	r.before(i, "regproc_out(")
	if r.at(last+1).isWord("as") || r.isAlias(last+1) {
		r.after(last, ")")
	} else {
		r.after(last, ") AS "+r.at(last).name)
	}
	r.done = last + 1
}
