package worker

import (
	"fmt"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/sql/catalog"
	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/sql/macro"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Names in every instance.
const (
	schemaPublic = "public"
	// CallSchema holds the rows of product functions. Users cannot name it.
	CallSchema = "call"
)

// reserved are names that a database cannot have, or that would make those of
// schemas ambiguous.
var reserved = map[string]bool{
	"memory": true, "temp": true, "system": true, "main": true, schemaPublic: true, CallSchema: true,
	catalog.Database: true, "pg_catalog": true, "information_schema": true, catalog.SystemSchemaName: true,
}

// Database returns the name of a tenant's database: the tenant, with an underscore
// after names that DuckDB keeps for itself.
func Database(t warehouse.Tenant) string {
	if reserved[strings.ToLower(string(t))] {
		return string(t) + "_"
	}
	return string(t)
}

// stored are the relations that lie in files.
var stored = []warehouse.Table{warehouse.TableSamples, warehouse.TableProfiles, warehouse.TableSeries, warehouse.TableStacktraces}

// settings make SQL behave as PostgreSQL's users expect it, and bound what a
// statement's text can make DuckDB do before it runs.
var settings = []engine.Setting{
	{Name: "integer_division", Value: "true"},
	{Name: "default_null_order", Value: "'nulls_last_on_asc_first_on_desc'"},
	{Name: "max_expression_depth", Value: "250"},
}

// createDatabase makes a tenant's empty database the current one.
func createDatabase(database string) string {
	return fmt.Sprintf("ATTACH ':memory:' AS %[1]s; CREATE SCHEMA %[1]s.%[2]s; CREATE SCHEMA %[1]s.%[3]s; CREATE SCHEMA %[1]s.%[4]s; USE %[1]s.%[2]s;\n",
		quoteName(database), schemaPublic, CallSchema, catalog.SystemSchemaName)
}

// createTables makes the stored relations as empty tables.
func createTables() string {
	var b strings.Builder
	for _, t := range stored {
		r := relation(t)
		fmt.Fprintf(&b, "CREATE TABLE %s (%s);\n", r.Name, columns(r.Columns))
	}
	return b.String()
}

// createSystem makes relations of the schema system, without rows.
func createSystem(relations ...catalog.Relation) string {
	var b strings.Builder
	for _, r := range relations {
		fmt.Fprintf(&b, "CREATE TABLE %s.%s (%s);\n", catalog.SystemSchemaName, r.Name, columns(r.Columns))
	}
	return b.String()
}

// createEmpty makes the stored relations as views without rows.
func createEmpty() string {
	var b strings.Builder
	for _, t := range stored {
		b.WriteString(bind(t, macro.Files{}))
	}
	return b.String()
}

// bind makes a stored relation a view over files, of which there may be none.
func bind(t warehouse.Table, files macro.Files) string {
	name := "CREATE OR REPLACE VIEW " + t.String() + " AS "
	if len(files.Paths) > 0 {
		return name + macro.Relation(t, files) + ";\n"
	}
	r := relation(t)
	casts := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		casts[i] = "CAST(NULL AS " + c.Type.DuckDB + ") AS " + quoteName(c.Name)
	}
	return name + "SELECT " + strings.Join(casts, ", ") + " WHERE false;\n"
}

// createViews makes the relations that are queries over others.
func createViews() string {
	var b strings.Builder
	for _, r := range catalog.Relations() {
		if r.Kind == catalog.View {
			fmt.Fprintf(&b, "CREATE VIEW %s AS %s;\n", r.Name, strings.TrimRight(strings.TrimSpace(r.Definition), ";"))
		}
	}
	return b.String()
}

// createFunctions makes the product functions as macros that return no rows, over a
// table each: for the types of their arguments and columns.
func createFunctions() string {
	var b strings.Builder
	for _, f := range catalog.Functions() {
		b.WriteString(createCall(f.Name, f))
		var args, uses []string
		for _, a := range f.Args {
			arg := quoteName(a.Name)
			uses = append(uses, arg+"::"+a.Type.DuckDB+" IS NOT NULL")
			if a.Default != "" {
				arg += " := " + a.Default
			}
			args = append(args, arg)
		}
		fmt.Fprintf(&b, "CREATE MACRO %s(%s) AS TABLE SELECT * FROM %s.%s WHERE %s;\n",
			f.Name, strings.Join(args, ", "), CallSchema, quoteName(f.Name), strings.Join(uses, " AND "))
	}
	return b.String()
}

// createCall makes the table for the rows of a call.
func createCall(name string, f catalog.Function) string {
	return fmt.Sprintf("CREATE TABLE %s.%s (%s);\n", CallSchema, quoteName(name), columns(f.Returns))
}

func columns(cs []catalog.Column) string {
	out := make([]string, len(cs))
	for i, c := range cs {
		out[i] = quoteName(c.Name) + " " + c.Type.DuckDB
	}
	return strings.Join(out, ", ")
}

func relation(t warehouse.Table) catalog.Relation {
	r, ok := catalog.RelationByName(t.String())
	if !ok {
		panic(warehouse.Bug("relation %s has no columns", t))
	}
	return r
}

// Session is what a statement sees of the connection that sent it.
type Session struct {
	TimeZone string    // IANA name; "" is UTC
	Now      time.Time // transaction time

	// Catalog is what functions of PostgreSQL's catalogue answer; nil for statements
	// that name nothing of it.
	Catalog *catalog.Session
}

// sql returns statements that tell an instance about the session.
func (s *Session) sql() string {
	zone := s.TimeZone
	if zone == "" {
		zone = "UTC"
	}
	text := fmt.Sprintf("SET TimeZone = %s; SET VARIABLE %s = make_timestamptz(%d::BIGINT);\n",
		quoteText(zone), macro.TransactionTime, s.Now.UnixMicro())
	if s.Catalog != nil {
		text += s.Catalog.SQL() + ";\n"
	}
	return text
}

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
