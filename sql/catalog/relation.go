package catalog

import "strings"

// maxEmpty is how many relations without rows a statement may name: each stands for a
// query that is some hundred bytes long.
const maxEmpty = 64

// relation handles a relation of PostgreSQL's catalogue, or of the schema system, in a
// FROM clause or behind TABLE.
func (r *rewriter) relation(i int) bool {
	if !r.startsRelation(i) && !r.at(i-1).isWord("table") {
		return false
	}
	last := i
	for r.at(last+1).isPunct(".") && r.at(last+2).isName() {
		last += 2
	}
	if r.at(last + 1).isPunct("(") {
		r.fromFunction(i, last)
		return false
	}
	name := r.at(last).name
	if last > i && r.at(last-2).name == SystemSchema {
		return r.systemRelation(last)
	}
	schema := "pg_catalog"
	switch {
	case last > i:
		schema = r.at(last - 2).name
	case !strings.HasPrefix(name, "pg_") || r.ctes[name]:
		return false
	}
	switch full := schema + "." + name; {
	case r.known.filled[full] && schema == "pg_catalog":
		if last > i {
			r.replace(i, last, "")
		}
	case r.known.filled[full]:
		r.replace(i, last+1, infoSchema+"."+name)
	case r.known.empty[full] != "" && r.empties < maxEmpty:
		r.empties++
		query := "(" + r.known.empty[full] + ")"
		if !r.at(last+1).isWord("as") && !r.isAlias(last+1) {
			query += " AS " + name
		}
		r.replace(i, last+1, query)
	default:
		return false
	}
	if schema == "pg_catalog" {
		r.noteRelation(name, last)
	}
	r.done = last + 1
	return true
}

// systemRelation handles a relation of the schema system, whose name ends at a token.
func (r *rewriter) systemRelation(last int) bool {
	if _, ok := SystemRelationByName(r.at(last).name); !ok {
		return false
	}
	r.replace(last-2, last-1, SystemSchemaName)
	r.done = last + 1
	return true
}

// isSystemColumn reports whether token i begins system.<relation>.<column>.
func (r *rewriter) isSystemColumn(i int) bool {
	if !r.isSchema(i, SystemSchema) || r.at(i-1).isPunct(".") || !r.at(i+3).isPunct(".") {
		return false
	}
	_, ok := SystemRelationByName(r.at(i + 2).name)
	return ok
}
