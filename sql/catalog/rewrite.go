package catalog

import (
	"strconv"
	"strings"
	"sync"

	"github.com/stackhouse-db/stackhouse/sql/lex"
)

// Rewrite turns a statement that names something of PostgreSQL's catalogue, or of the
// schema system, into one
// that DuckDB understands, given the database [Database] in its search path. It
// knows tokens, not a grammar: what none of its rules is about, stays as it is, byte
// by byte, and so do most statements as a whole. It takes any text.
//
//   - pg_catalog. is dropped, information_schema. becomes pgcat.infoschema., and
//     system. in front of its relations systemschema.
//   - A relation that never has rows becomes an empty query of its columns, so that
//     the instance need not hold some hundred tables for nothing (relation.go).
//   - Casts to and from regclass, regtype and so on become look-ups (cast.go).
//   - Regular expressions match anywhere, as in PostgreSQL (regexp.go).
//   - '{1,2}' becomes a list where an array is meant (array.go).
//   - Functions stand for a column where they are named in FROM (function.go).
//   - The backslash escapes in the patterns of LIKE.
//   - OPERATOR(pg_catalog.=) becomes =, COLLATE "default" goes.
func Rewrite(text string) (string, PositionMap) {
	tokens := scan(text)
	r := &rewriter{text: text, structure: analyse(tokens), known: knownObjects()}
	for i := range tokens {
		r.rewrite(i)
	}
	r.tableoids()
	return apply(text, r.edits)
}

// rewriter collects the edits of one text.
type rewriter struct {
	text string
	*structure
	known   *known
	edits   []edit
	uses    []relationUse
	empties int // relations without rows so far
	done    int // tokens before it are part of an edit already
}

// known is what the rules know about PostgreSQL's catalogue.
type known struct {
	filled         map[string]bool   // relations that the instance has, by schema and name
	empty          map[string]string // those that it lacks: a query of their shape
	classOIDs      map[string]string // identifiers of the relations of pg_catalog
	regprocColumns map[string]bool   // columns that clients expect as the names of functions
}

var knownObjects = sync.OnceValue(func() *known {
	k := &known{filled: map[string]bool{}, empty: map[string]string{}, classOIDs: map[string]string{}, regprocColumns: map[string]bool{}}
	b, err := built()
	if err != nil {
		return k // New reports it
	}
	k.filled = b.filled
	b.system.relations.each(func(value func(string) string) {
		if value("relnamespace") == strconv.Itoa(schemaCatalog) {
			k.classOIDs[value("relname")] = value("oid")
		}
	})
	for name, t := range b.system.tables {
		if !k.filled[name] {
			k.empty[name] = t.empty()
		}
		for _, c := range t.columns {
			if c.pgType == "regproc" {
				k.regprocColumns[c.name] = true
			}
		}
	}
	return k
})

// rewrite applies the rules to what starts at token i.
func (r *rewriter) rewrite(i int) {
	if i < r.done {
		return
	}
	switch t := r.tokens[i]; t.Kind {
	case lex.Word, lex.Quoted:
		if r.relation(i) || r.qualifier(i) {
			return
		}
		if t.Kind == lex.Word {
			r.word(i)
		}
		r.regprocItem(i)
	case lex.Operator:
		switch {
		case t.name == "::":
			r.cast(i)
		case matchOps[t.name] != (match{}):
			r.match(i, i+1, t.name)
		case t.name == "=":
			r.equalsAny(i)
		}
	case lex.String:
		r.array(i)
	}
}

// word applies the rules about keywords and functions.
func (r *rewriter) word(i int) {
	if r.at(i-1).isPunct(".") && r.done != i {
		return // a column, or a function of some other schema
	}
	switch r.tokens[i].name {
	case "operator":
		r.operatorCall(i)
	case "collate":
		r.collate(i)
	case "cast":
		r.castCall(i)
	case "like", "ilike":
		r.like(i)
	default:
		r.function(i)
	}
}

// replace replaces the tokens [from, to).
func (r *rewriter) replace(from, to int, text string) {
	r.edits = append(r.edits, edit{from: r.tokens[from].Start, to: r.tokens[to-1].End, text: text})
}

// before inserts in front of a token, and in front of what was inserted there
// before: the outer of two calls comes first.
func (r *rewriter) before(i int, text string) {
	at := r.tokens[i].Start
	r.edits = append(r.edits, edit{from: at, to: at, text: text, order: -1 - len(r.edits)})
}

// after inserts behind a token.
func (r *rewriter) after(i int, text string) {
	at := r.tokens[i].End
	r.edits = append(r.edits, edit{from: at, to: at, text: text})
}

// isSchema reports whether token i names a schema and has a dot behind it.
func (r *rewriter) isSchema(i int, name string) bool {
	return r.at(i).isName() && r.at(i).name == name && r.at(i+1).isPunct(".")
}

// qualifier handles a schema of PostgreSQL in front of anything but a relation.
func (r *rewriter) qualifier(i int) bool {
	start := i
	if r.at(i+1).isPunct(".") && r.at(i+2).isName() && !r.at(i-1).isPunct(".") &&
		(r.isSchema(i+2, "pg_catalog") || r.isSchema(i+2, "information_schema")) {
		i += 2 // database.schema.name
	}
	switch {
	case r.isSchema(i, "pg_catalog"):
		r.replace(start, i+2, "")
	case r.isSchema(i, "information_schema") && r.at(i+3).isPunct("("):
		r.replace(start, i+2, "") // _pg_expandarray(
	case r.isSchema(i, "information_schema") && r.at(i+3).isPunct("."), r.isSystemColumn(i):
		r.replace(start, i+2, "")
	default:
		return false
	}
	r.done = i + 2
	return true
}

// operatorCall handles OPERATOR(pg_catalog.+).
func (r *rewriter) operatorCall(i int) {
	open := r.at(i + 1)
	if !open.isPunct("(") || open.partner < 0 || r.at(open.partner-1).Kind != lex.Operator {
		return
	}
	op := r.at(open.partner - 1).name
	if matchOps[op] != (match{}) {
		r.match(i, open.partner+1, op)
	} else {
		r.replace(i, open.partner+1, op)
	}
	r.done = open.partner + 1
}

// collate drops the collations that all compare bytes, as DuckDB does.
func (r *rewriter) collate(i int) {
	name := i + 1
	for r.at(name).isName() && r.at(name+1).isPunct(".") && r.at(name+2).isName() {
		name += 2
	}
	switch strings.ToLower(r.at(name).name) {
	case "default", "c", "posix", "ucs_basic":
		r.replace(i, name+1, "")
		r.done = name + 1
	}
}
