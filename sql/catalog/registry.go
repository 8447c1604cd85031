package catalog

import "slices"

// Kind says how a relation shows in the catalogue.
type Kind byte

// The kinds, with PostgreSQL's letters (pg_class.relkind).
const (
	Table Kind = 'r' // rows of its own
	View  Kind = 'v' // a query over other relations, see Relation.Definition
)

// SystemSchema is the schema of the relations about the warehouse itself, and
// SystemSchemaName what DuckDB calls it: it keeps the name system for itself.
// [Rewrite] writes one for the other.
const (
	SystemSchema     = "system"
	SystemSchemaName = "systemschema"
)

// Relation is a relation of the schema public, or of the schema system.
type Relation struct {
	Name       string
	System     bool // it is in the schema system
	Kind       Kind
	Comment    string // what a row is
	Columns    []Column
	Definition string // of a View: its SELECT, as users would write it
}

// Column is a column of a relation, or of the rows that a function returns.
type Column struct {
	Name     string
	Type     Type
	Nullable bool
	Comment  string // the unit, and what an id joins to
}

// Function is a table function of the schema public.
type Function struct {
	Name    string
	Args    []Arg
	Returns []Column
	Comment string
}

// Arg is an argument of a function.
type Arg struct {
	Name    string
	Type    Type
	Default string // an SQL literal; "" when the argument is required
}

// Type is a type in both worlds.
type Type struct {
	DuckDB string // as in CREATE TABLE
	OID    uint32 // what PostgreSQL's clients are told
	name   string // format_type of the OID
}

// The types of columns and arguments. A MAP has no counterpart in PostgreSQL: its
// clients see JSON.
var (
	boolArray   = Type{"BOOLEAN[]", 1000, "boolean[]"}
	integer     = Type{"INTEGER", 23, "integer"}
	bigint      = Type{"BIGINT", 20, "bigint"}
	bigintArray = Type{"BIGINT[]", 1016, "bigint[]"}
	text        = Type{"VARCHAR", 25, "text"}
	textArray   = Type{"VARCHAR[]", 1009, "text[]"}
	timestamp   = Type{"TIMESTAMPTZ", 1184, "timestamp with time zone"}
	uuid        = Type{"UUID", 2950, "uuid"}
	labelMap    = Type{"MAP(VARCHAR, VARCHAR)", 114, "json"}
)

// Relations returns the relations of the schema public, by name. The caller does
// not change them.
func Relations() []Relation { return relations }

// Functions returns the table functions of the schema public, by name. The caller
// does not change them.
func Functions() []Function { return functions }

// RelationByName returns a relation of the schema public.
func RelationByName(name string) (Relation, bool) {
	for _, r := range relations {
		if r.Name == name {
			return r, true
		}
	}
	return Relation{}, false
}

// SystemRelations returns the relations of the schema system, by name. The caller
// does not change them.
func SystemRelations() []Relation { return systemRelations }

// SystemRelationByName returns a relation of the schema system.
func SystemRelationByName(name string) (Relation, bool) {
	for _, r := range systemRelations {
		if r.Name == name {
			return r, true
		}
	}
	return Relation{}, false
}

// allRelations are those of both schemas.
var allRelations = slices.Concat(relations, systemRelations)

// schema is the identifier of the relation's schema.
func (r Relation) schema() int {
	if r.System {
		return schemaSystem
	}
	return schemaPublic
}

// qualifiedName is the name, with the schema unless that is public.
func (r Relation) qualifiedName() string {
	if r.System {
		return SystemSchema + "." + r.Name
	}
	return r.Name
}

// FunctionByName returns a table function of the schema public.
func FunctionByName(name string) (Function, bool) {
	for _, f := range functions {
		if f.Name == name {
			return f, true
		}
	}
	return Function{}, false
}
