package statement

import (
	"context"
	"path/filepath"
	"strings"
	"sync"

	"github.com/stackhouse-db/stackhouse/sql/catalog"
	"github.com/stackhouse-db/stackhouse/sql/engine"
)

// catalogue is PostgreSQL's catalogue, built when a statement first names something
// of it: in a file that all instances share, or in memory when there is no folder.
//
// Concurrency: safe for concurrent use.
type catalogue struct {
	source *catalog.Catalog // nil: there is none
	dir    string           // for the file; "" keeps it in memory

	mu     sync.Mutex
	loader loader
	macros map[string]bool
}

// loader attaches the catalogue to an instance.
type loader interface {
	Load(ctx context.Context, to catalog.Execer) error
}

// overridden are functions that both DuckDB and the catalogue have: the catalogue's
// are PostgreSQL's.
var overridden = map[string]bool{
	"array_to_string": true, "cardinality": true, "current_schemas": true, "format": true, "generate_subscripts": true,
	"pg_size_pretty": true, "pg_typeof": true, "version": true,
}

// IsRelation reports whether the catalogue has a relation.
func (c *catalogue) IsRelation(name string) bool { return c.source != nil && c.source.IsRelation(name) }

// IsInfoRelation reports whether information_schema has a relation.
func (c *catalogue) IsInfoRelation(name string) bool {
	return c.source != nil && c.source.IsInfoRelation(name)
}

// isFunction reports whether a function is the catalogue's.
func (c *catalogue) isFunction(ctx context.Context, name string) (bool, error) {
	if c.source == nil || allowedFunctions[name] && !overridden[name] {
		return false, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.build(ctx); err != nil {
		return false, err
	}
	return c.macros[name], nil
}

// Load attaches the catalogue to an instance.
func (c *catalogue) Load(ctx context.Context, to catalog.Execer) error {
	c.mu.Lock()
	err := c.build(ctx)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.loader.Load(ctx, to)
}

// catalogFile is the file's name in its folder.
const catalogFile = "catalog.duckdb"

// build makes the file and the list of functions. The caller holds mu.
func (c *catalogue) build(ctx context.Context) error {
	if c.loader != nil {
		return nil
	}
	opts := engine.Options{Threads: 1, MemoryBytes: 256 << 20}
	if c.dir != "" {
		opts.AllowedDirs = []string{c.dir}
	}
	i, err := engine.OpenInstance(opts)
	if err != nil {
		return err
	}
	defer i.Close()
	var l loader = c.source
	if c.dir != "" {
		if l, err = c.source.Save(ctx, i, filepath.Join(c.dir, catalogFile)); err != nil {
			return err
		}
	}
	if err := l.Load(ctx, i); err != nil {
		return err
	}
	text, err := i.Text(ctx, "SELECT coalesce(string_agg(DISTINCT function_name, ' '), '') FROM duckdb_functions() WHERE database_name = '"+catalog.Database+"'")
	if err != nil {
		return err
	}
	c.macros = map[string]bool{}
	for name := range strings.FieldsSeq(text) {
		c.macros[name] = true
	}
	c.loader = l
	return nil
}
