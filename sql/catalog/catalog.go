package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Names in an instance of DuckDB.
const (
	// Database is the attached database that holds PostgreSQL's catalogue. It stands
	// last in the search path: SET search_path = '<tenant>.public,pgcat.main'.
	Database = "pgcat"

	infoSchema = Database + ".infoschema" // DuckDB keeps the name information_schema for itself
	dataSchema = Database + ".data"       // what macros and views read, and users cannot name
)

// Execer runs statements, separated by semicolons.
type Execer interface {
	Exec(ctx context.Context, text string) error
}

// Catalog is the catalogue as statements of DuckDB.
//
// Concurrency: safe for concurrent use; it does not change.
type Catalog struct {
	script  string
	columns map[string]string
	tables  map[string]bool
	macros  map[string]macro
}

// New prepares the catalogue.
func New() (*Catalog, error) {
	b, err := built()
	if err != nil {
		return nil, warehouse.Errorf(warehouse.Internal, "build catalog: %w", err)
	}
	return &Catalog{script: strings.Join(b.script, ""), columns: b.columnTypes(), tables: b.filled, macros: b.macros}, nil
}

// Load fills an instance, once in its life, in memory. It takes several times as long
// as [File.Load], which is for processes that open many instances.
//
// Errors: those of the execer.
func (c *Catalog) Load(ctx context.Context, to Execer) error {
	return execAll(ctx, to, "load catalog",
		"ATTACH IF NOT EXISTS ':memory:' AS "+Database+" (BLOCK_SIZE 16384)", c.script)
}

// Save builds the catalogue in a file, which it replaces, by means of an instance
// that may write there and has no database [Database].
//
// Errors: those of the execer; Unavailable when an old file cannot be removed.
func (c *Catalog) Save(ctx context.Context, to Execer, file string) (*File, error) {
	for _, f := range []string{file, file + ".wal"} {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, warehouse.Errorf(warehouse.Unavailable, "save catalog: %w", err)
		}
	}
	err := execAll(ctx, to, "save catalog",
		"ATTACH "+quoteLiteral(file)+" AS "+Database+" (BLOCK_SIZE 16384)", c.script, "CHECKPOINT "+Database, "DETACH "+Database)
	if err != nil {
		return nil, err
	}
	return &File{name: file}, nil
}

// File is a catalogue that was saved. It belongs to the process that saved it.
//
// Concurrency: safe for concurrent use.
type File struct{ name string }

// Load attaches the file to an instance, once in its life: for reading, since no
// statement changes the catalogue.
//
// Errors: those of the execer.
func (f *File) Load(ctx context.Context, to Execer) error {
	return execAll(ctx, to, "load catalog", "ATTACH "+quoteLiteral(f.name)+" AS "+Database+" (READ_ONLY)")
}

func execAll(ctx context.Context, to Execer, what string, texts ...string) error {
	for _, text := range texts {
		if err := to.Exec(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// ColumnType returns PostgreSQL's name of the type that columns of its catalogue with
// this name have, for those that DuckDB cannot tell from its own type: name, char,
// oid, regproc, xid, int2vector, oidvector, and arrays such as _name. It is empty for
// other columns, and for names that several relations use for different types.
//
// Together with the column's DuckDB type, the name decides safely how a column of a
// statement about the catalogue is described: a user's own column of the same name
// and type loses nothing.
func (c *Catalog) ColumnType(column string) string { return c.columns[column] }

// IsRelation reports whether an unqualified name is one of PostgreSQL's catalogue, as
// [Rewrite] leaves it; relations of information_schema are not.
func (c *Catalog) IsRelation(name string) bool { return c.tables["pg_catalog."+name] }

// IsInfoRelation reports whether information_schema has a relation of this name.
// [Rewrite] writes pgcat.infoschema.<name>.
func (c *Catalog) IsInfoRelation(name string) bool { return c.tables["information_schema."+name] }

// IsFunction reports whether the catalogue has a function of this name that gives a
// value.
func (c *Catalog) IsFunction(name string) bool { return c.macros[name].scalar }

// IsTableFunction reports whether the catalogue has a function of this name that gives
// rows.
func (c *Catalog) IsTableFunction(name string) bool { return c.macros[name].table }

// builder collects the statements.
type builder struct {
	system *system
	filled map[string]bool // relations with rows, by schema and name
	macros map[string]macro
	script []string
}

// built is the catalogue's builder, which has done its work: it is the same for all.
var built = sync.OnceValues(func() (*builder, error) {
	b := &builder{}
	return b, b.build()
})

func (b *builder) add(texts ...string) { b.script = append(b.script, strings.Join(texts, "")) }

// dataTables are the tables of the data schema: what macros and views need beside
// PostgreSQL's own relations. Types not named are text.
var dataTables = map[string]map[string]string{
	"type_name":       {"oid": "UINTEGER"},
	"signature":       {"oid": "UINTEGER"},
	"view_definition": {"oid": "UINTEGER"},
	"keyword":         {"barelabel": "BOOLEAN"},
	"setting":         {"enumvals": "VARCHAR[]"},
}

// staticTables are the relations of pg_catalog whose rows come from files and the
// registry as they are.
var staticTables = []string{
	"pg_type", "pg_class", "pg_attribute", "pg_proc", "pg_operator", "pg_cast", "pg_am", "pg_language", "pg_collation", "pg_range",
	"pg_tablespace", "pg_description",
}

func (b *builder) build() error {
	var err error
	if b.system, err = readSystem(); err != nil {
		return err
	}
	files := map[string]*rowset{
		"pg_type": b.system.types, "pg_class": b.system.classRows(), "view_definition": definitions(),
	}
	for _, name := range append([]string{"type_name", "signature", "keyword", "setting"}, staticTables[3:]...) {
		if files[name], err = readData(name); err != nil {
			return err
		}
	}
	addRowTypes(files["pg_type"])
	addTypeNames(files["type_name"])
	addComments(files["pg_description"])
	for _, f := range functions {
		f.describe(files["pg_proc"], files["signature"])
	}
	files["pg_attribute"] = b.system.attributeRows()

	b.add("BEGIN;\n")
	b.add("CREATE SCHEMA ", infoSchema, ";\nCREATE SCHEMA ", dataSchema, ";\n",
		"CREATE TABLE ", dataSchema, ".instance AS SELECT now() AS started;\n")
	b.data(files)
	if err := b.objects(files); err != nil {
		return err
	}
	b.add("COMMIT;\n")
	return nil
}

// data makes the tables of the data schema.
func (b *builder) data(files map[string]*rowset) {
	for _, name := range slices.Sorted(maps.Keys(dataTables)) {
		t := &table{name: dataSchema + "." + name}
		for _, c := range files[name].columns {
			duck := dataTables[name][c]
			if duck == "" {
				duck = "VARCHAR"
			}
			t.columns = append(t.columns, tableColumn{name: c, duck: duck})
		}
		b.add(files[name].create(t))
	}
}

// objects makes the relations that have rows, and the macros.
func (b *builder) objects(files map[string]*rowset) error {
	b.filled = map[string]bool{}
	for _, name := range staticTables {
		b.filled["pg_catalog."+name] = true
		b.add(files[name].create(b.system.tables["pg_catalog."+name]))
	}
	b.macros = map[string]macro{}
	for _, name := range macroFiles {
		text, err := script("macro/" + name + ".sql")
		if err != nil {
			return err
		}
		findMacros(text, b.macros)
		b.add(text)
	}
	names, texts, err := views()
	if err != nil {
		return err
	}
	for _, name := range names {
		t := b.system.tables[name]
		if t == nil {
			return fmt.Errorf("view %s: PostgreSQL has no such relation", name)
		}
		b.filled[name] = true
		b.add(t.view(texts[name]))
	}
	return nil
}

// plainTypes are those that DuckDB tells as PostgreSQL does.
var plainTypes = map[string]bool{
	"bool": true, "int2": true, "int4": true, "int8": true, "float4": true, "float8": true, "text": true, "varchar": true,
	"timestamptz": true, "interval": true, "bytea": true, "_text": true, "_bool": true, "_int2": true, "_float4": true, "_float8": true,
}

// columnTypes finds the columns whose name alone says their type.
func (b *builder) columnTypes() map[string]string {
	types, torn := map[string]string{}, map[string]bool{}
	for _, t := range b.system.tables {
		for _, c := range t.columns {
			if have, ok := types[c.name]; ok && have != c.pgType {
				torn[c.name] = true
			}
			types[c.name] = c.pgType
		}
	}
	for name, pgType := range types {
		if torn[name] || plainTypes[pgType] {
			delete(types, name)
		}
	}
	return types
}
