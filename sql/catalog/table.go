package catalog

import (
	"fmt"
	"strings"
)

// table is a relation of PostgreSQL's catalogue.
type table struct {
	name    string // in the instance: pgcat.main.pg_class, pgcat.infoschema.columns
	schema  string // pg_catalog or information_schema
	relname string
	columns []tableColumn
}

type tableColumn struct {
	name   string
	duck   string // DuckDB's type
	pgType string // PostgreSQL's name of the type: oid, name, char, int4, …
}

// typeOf returns DuckDB's type of a column that exists.
func (t *table) typeOf(column string) string {
	for _, c := range t.columns {
		if c.name == column {
			return c.duck
		}
	}
	return "VARCHAR"
}

// view returns the statement that makes a view of the table's shape from a query
// that gives some of its columns; the others are NULL.
func (t *table) view(query string) string {
	return "CREATE VIEW " + t.name + " AS\n" + t.empty() + "\nUNION ALL BY NAME\n" + query + ";\n"
}

// empty returns a query of the table's shape without rows.
func (t *table) empty() string {
	var b strings.Builder
	b.WriteString("SELECT ")
	for i, c := range t.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("NULL::" + c.duck + " AS " + quoteIdent(c.name))
	}
	b.WriteString(" WHERE false")
	return b.String()
}

// system is what the files say about PostgreSQL's relations and types.
type system struct {
	relations *rowset // oid, relnamespace, relname, relkind
	columns   *rowset // attrelid, attnum, attname, atttypid, …
	types     *rowset // pg_type

	tables map[string]*table // by schema and name
}

// readSystem reads them.
func readSystem() (*system, error) {
	s := &system{tables: map[string]*table{}}
	for _, f := range []struct {
		name string
		to   **rowset
	}{{"relation", &s.relations}, {"column", &s.columns}, {"pg_type", &s.types}} {
		var err error
		if *f.to, err = readData(f.name); err != nil {
			return nil, err
		}
	}
	byOID := map[string]*table{}
	s.relations.each(func(value func(string) string) {
		t := &table{schema: "pg_catalog", relname: value("relname"), name: Database + ".main." + value("relname")}
		if value("relnamespace") == fmt.Sprint(schemaInfo) {
			t.schema, t.name = "information_schema", infoSchema+"."+t.relname
		}
		s.tables[t.schema+"."+t.relname], byOID[value("oid")] = t, t
	})
	types := s.columnTypes()
	var err error
	s.columns.each(func(value func(string) string) {
		t, c := byOID[value("attrelid")], types[value("atttypid")]
		if t == nil || c.duck == "" {
			err = fmt.Errorf("data/column.csv: relation %s or type %s is in no file", value("attrelid"), value("atttypid"))
			return
		}
		c.name = value("attname")
		t.columns = append(t.columns, c)
	})
	return s, err
}

// columnTypes returns columns without a name, for each of PostgreSQL's types.
func (s *system) columnTypes() map[string]tableColumn {
	names, elems, bases := map[string]string{}, map[string]string{}, map[string]string{}
	s.types.each(func(value func(string) string) {
		oid := value("oid")
		names[oid], elems[oid], bases[oid] = value("typname"), value("typelem"), value("typbasetype")
	})
	types := map[string]tableColumn{}
	for oid := range names {
		at := oid
		if base := bases[oid]; base != "0" {
			at = base // clients see a domain as the type below
		}
		c := tableColumn{pgType: names[at], duck: "VARCHAR"}
		if duck, known := duckTypes[c.pgType]; known {
			c.duck = duck
		} else if strings.HasPrefix(c.pgType, "_") {
			c.duck = "VARCHAR[]"
			if duck, known := duckTypes[names[elems[at]]]; known {
				c.duck = duck + "[]"
			}
		}
		types[oid] = c
	}
	return types
}

// duckTypes are DuckDB's types for those of PostgreSQL's catalogue; all others are
// text. UINTEGER occurs for nothing but identifiers of objects.
var duckTypes = map[string]string{
	"bool": "BOOLEAN", "int2": "SMALLINT", "int4": "INTEGER", "int8": "BIGINT", "float4": "FLOAT", "float8": "DOUBLE",
	"numeric": "DOUBLE", "bytea": "BLOB", "timestamptz": "TIMESTAMPTZ", "interval": "INTERVAL",
	"oid": "UINTEGER", "xid": "UINTEGER", "regproc": "UINTEGER", "regtype": "UINTEGER", "regclass": "UINTEGER",
	"int2vector": "SMALLINT[]", "oidvector": "UINTEGER[]", "anyarray": "VARCHAR[]",
}
