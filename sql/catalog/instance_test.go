package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/stretchr/testify/require"
)

// instance is a DuckDB as a worker has it.
type instance struct {
	db   *sql.DB
	conn *sql.Conn
}

func (i *instance) Exec(ctx context.Context, text string) error {
	_, err := i.conn.ExecContext(ctx, text)
	return err
}

// unattached opens a worker's instance without the catalogue.
func unattached(t testing.TB) *instance {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	require.NoError(t, err)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(); _ = db.Close() })
	i := &instance{db, conn}
	require.NoError(t, i.Exec(t.Context(), `
		SET threads = 1;
		ATTACH ':memory:' AS prof; CREATE SCHEMA prof.public;
		SET search_path = 'prof.public'`))
	return i
}

// newInstance opens a worker's instance with the catalogue and a session.
func newInstance(t testing.TB) *instance {
	t.Helper()
	i := unattached(t)
	require.NoError(t, saved(t).Load(t.Context(), i))
	for _, r := range relations {
		columns := make([]string, len(r.Columns))
		for n, col := range r.Columns {
			columns[n] = quoteIdent(col.Name) + " " + col.Type.DuckDB
		}
		require.NoError(t, i.Exec(t.Context(), "CREATE TABLE prof.public."+r.Name+" ("+strings.Join(columns, ", ")+")"))
	}
	require.NoError(t, i.Exec(t.Context(), "SET search_path = 'prof.public,pgcat.main'"))
	require.NoError(t, i.Exec(t.Context(), testSession.SQL()))
	return i
}

var testSession = Session{User: "alice", PID: 4711, Settings: map[string]string{
	"server_version": "15.0", "server_version_num": "150000", "application_name": "test", "search_path": `"$user", public`,
	"max_identifier_length": "63", "timezone": "UTC", "max_index_keys": "32", "datestyle": "ISO, MDY", "standard_conforming_strings": "on",
}}

// query runs a statement as it is and returns its columns' names and its rows as
// psql would print them.
func (i *instance) query(ctx context.Context, text string) (names []string, rows [][]string, err error) {
	r, err := i.conn.QueryContext(ctx, text)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	if names, err = r.Columns(); err != nil {
		return nil, nil, err
	}
	for r.Next() {
		values, into := make([]any, len(names)), make([]any, len(names))
		for n := range values {
			into[n] = &values[n]
		}
		if err := r.Scan(into...); err != nil {
			return nil, nil, err
		}
		row := make([]string, len(names))
		for n, v := range values {
			row[n] = show(v)
		}
		rows = append(rows, row)
	}
	return names, rows, r.Err()
}

func show(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		return map[bool]string{true: "t", false: "f"}[v]
	case []any:
		items := make([]string, len(v))
		for n, item := range v {
			items[n] = show(item)
		}
		return "{" + strings.Join(items, ",") + "}"
	case time.Time:
		return v.Format(time.RFC3339)
	default:
		return fmt.Sprint(v)
	}
}

var once struct {
	sync.Once
	file *File
	err  error
}

// saved is the catalogue in a file that all tests share.
func saved(t testing.TB) *File {
	t.Helper()
	once.Do(func() {
		var c *Catalog
		if c, once.err = New(); once.err == nil {
			once.file, once.err = c.Save(t.Context(), unattached(t), filepath.Join(tempDir, "pgcat.duckdb"))
		}
	})
	require.NoError(t, once.err)
	return once.file
}

var tempDir string

func TestMain(m *testing.M) {
	var err error
	if tempDir, err = os.MkdirTemp("", "catalog"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(tempDir)
	os.Exit(code)
}
