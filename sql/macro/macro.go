// Package macro holds the SQL of what statements see beyond the stored tables: the
// relations over files, and the clock.
//
// # Parts
//
//   - samples.sql, profiles.sql, series.sql, stacktraces.sql: relations over files
//   - clock.sql: now() and its kin as the transaction time
//   - mask.sql: what hides deleted rows of them
//   - macro.go: access to all
//
// # Guarantees
//
// A relation names every column, in the order of package catalog. series and
// stacktraces have one row for each id. No deleted row shows, and no definition that
// only deleted rows need.
//
// # Not its job
//
// Which files a statement needs is for package plan to say; views over these
// relations, and PostgreSQL's catalogue, are in package catalog.
package macro

import (
	"embed"
	"strconv"
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

// Files are the files of a stored relation, and what is deleted of them.
type Files struct {
	Paths []string

	// Masks hide rows of samples and profiles.
	Masks []Mask

	// Doubtful is how many files of definitions, the last ones, are of hours of which
	// something is deleted: only what Facts, the samples or profiles of these hours, have
	// shows of them.
	Doubtful int
	Facts    *Files
}

// Mask is a deletion and the files, by their place, of which it hides rows.
type Mask struct {
	*warehouse.Deletion
	Places []int
}

// facts are the relations whose rows need definitions.
var facts = map[warehouse.Table]warehouse.Table{
	warehouse.TableSeries:      warehouse.TableProfiles,
	warehouse.TableStacktraces: warehouse.TableSamples,
}

// FactsOf returns the relation whose rows need those of a relation of definitions.
func FactsOf(t warehouse.Table) (warehouse.Table, bool) {
	of, ok := facts[t]
	return of, ok
}

// Relation returns the SELECT of a stored relation over files, of which there is at
// least one.
func Relation(t warehouse.Table, f Files) string {
	values := map[string]string{"files": quoteList(f.Paths)}
	if len(f.Paths) > 1 || f.Doubtful > 0 {
		values["first"] = ""
	}
	if len(f.Masks) > 0 {
		masks := make([]string, len(f.Masks))
		for i := range f.Masks {
			masks[i] = f.Masks[i].condition()
		}
		values["masks"] = strings.Join(masks, " AND ")
	}
	if f.Doubtful > 0 {
		values["doubtful"], values["sure"] = "", strconv.Itoa(len(f.Paths)-f.Doubtful)
		values["facts"] = "SELECT NULL::BIGINT AS series_id, NULL::BIGINT AS stacktrace_id WHERE false"
		if len(f.Facts.Paths) > 0 {
			values["facts"] = Relation(facts[t], *f.Facts)
		}
	}
	return fill(t.String()+".sql", values)
}

// condition is the text of mask.sql.
func (m *Mask) condition() string {
	values := map[string]string{
		"places": joined(m.Places, strconv.Itoa),
		"from":   strconv.FormatInt(int64(m.From), 10), "to": strconv.FormatInt(int64(m.To), 10),
	}
	if len(m.Services) > 0 {
		values["services"] = joined(m.Services, quote)
	}
	if len(m.Types) > 0 {
		values["types"] = joined(m.Types, quote)
	}
	if len(m.Series) > 0 {
		values["series"] = joined(m.Series, func(id warehouse.SeriesID) string { return strconv.FormatInt(int64(id), 10) })
	}
	return fill("mask.sql", values)
}

// fill returns the text of a file with each $name replaced by its value, once. A line
// that ends in "--? name" is there if name has a value.
func fill(file string, values map[string]string) string {
	var b strings.Builder
	for line := range strings.Lines(read(file)) {
		code, condition, optional := strings.Cut(line, "--? ")
		if _, ok := values[strings.TrimSpace(condition)]; optional && !ok {
			continue
		}
		code, _, _ = strings.Cut(code, "--")
		if code = strings.TrimRight(code, " \n"); code == "" {
			continue
		}
		for {
			before, after, found := strings.Cut(code, "$")
			b.WriteString(before)
			if !found {
				break
			}
			n := 0
			for n < len(after) && 'a' <= after[n] && after[n] <= 'z' {
				n++
			}
			b.WriteString(values[after[:n]])
			code = after[n:]
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func quoteList(paths []string) string {
	return "[" + joined(paths, func(p string) string { return quote(escapeGlob(p)) }) + "]"
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func joined[T any](list []T, text func(T) string) string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = text(list[i])
	}
	return strings.Join(out, ", ")
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
