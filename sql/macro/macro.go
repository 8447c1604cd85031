// Package macro holds the SQL of what statements see beyond the stored tables: the
// relations over files, and the clock.
//
// # Parts
//
//   - samples.sql, profiles.sql, series.sql, stacktraces.sql: relations over files
//   - clock.sql: now() and its kin as the transaction time
//   - macro.go: access to both
//
// # Guarantees
//
// A relation names every column, in the order of package catalog. series and
// stacktraces have one row for each id.
//
// # Not its job
//
// Which files a statement needs is for package plan to say; views over these
// relations, and PostgreSQL's catalogue, are in package catalog.
package macro

import (
	"embed"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

//go:embed *.sql
var files embed.FS

// TransactionTime is the variable that the clock reads: a TIMESTAMPTZ.
const TransactionTime = "transaction_time"

// Clock creates the macros of the clock in the schema that is first in the search
// path.
func Clock() string { return read("clock.sql") }

// Relation returns the SELECT of a stored relation over files, of which there is at
// least one.
func Relation(t warehouse.Table, paths []string) string {
	var list strings.Builder
	list.WriteByte('[')
	for i, p := range paths {
		if i > 0 {
			list.WriteString(", ")
		}
		list.WriteByte('\'')
		list.WriteString(strings.ReplaceAll(escapeGlob(p), "'", "''"))
		list.WriteByte('\'')
	}
	list.WriteByte(']')
	var b strings.Builder
	for line := range strings.Lines(read(t.String() + ".sql")) {
		code, condition, optional := strings.Cut(line, "--? ")
		if optional && strings.TrimSpace(condition) == "many" && len(paths) == 1 {
			continue
		}
		code, _, _ = strings.Cut(code, "--")
		if code = strings.TrimRight(code, " \n"); code != "" {
			b.WriteString(strings.ReplaceAll(code, "$files", list.String()))
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// escapeGlob makes a path stand for itself where a pattern is allowed: tenants may
// contain an asterisk.
func escapeGlob(path string) string {
	if !strings.ContainsAny(path, "*?[") {
		return path
	}
	var b strings.Builder
	for _, c := range []byte(path) {
		if strings.IndexByte("*?[", c) >= 0 {
			b.WriteByte('[')
			b.WriteByte(c)
			b.WriteByte(']')
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// read returns a file that is part of the binary.
func read(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(warehouse.Bug("read %s: %v", name, err))
	}
	return string(text)
}
