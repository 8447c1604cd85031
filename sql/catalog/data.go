package catalog

import (
	"embed"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
)

//go:embed data/*.csv
var dataFiles embed.FS

// null is how the files write a value that is missing.
const null = `\N`

// rowset is rows as text, with the names of their columns.
type rowset struct {
	columns []string
	rows    [][]string
}

// readData parses a file of the folder data.
func readData(name string) (*rowset, error) {
	f, err := dataFiles.Open("data/" + name + ".csv")
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // embedded: it cannot fail
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("parse data/%s.csv: %w", name, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("parse data/%s.csv: it has no header", name)
	}
	return &rowset{columns: all[0], rows: all[1:]}, nil
}

// record is one row by the names of its columns. Columns that it lacks are NULL.
type record map[string]any

// add appends a row.
func (s *rowset) add(r record) {
	row := make([]string, len(s.columns))
	for i, c := range s.columns {
		row[i] = field(r[c])
	}
	s.rows = append(s.rows, row)
}

// each calls fn with every row, by names.
func (s *rowset) each(fn func(value func(column string) string)) {
	index := map[string]int{}
	for i, c := range s.columns {
		index[c] = i
	}
	for _, row := range s.rows {
		fn(func(column string) string { return row[index[column]] })
	}
}

// field is a value as the files write it.
func field(v any) string {
	switch v := v.(type) {
	case nil:
		return null
	case bool:
		if v {
			return "t"
		}
		return "f"
	case []uint32:
		return listText(v)
	case []string:
		return listText(v)
	default:
		return fmt.Sprint(v)
	}
}

func listText[T any](items []T) string {
	text := make([]string, len(items))
	for i, v := range items {
		text[i] = fmt.Sprint(v)
	}
	return "{" + strings.Join(text, ",") + "}"
}

// Separators of the text in which rows travel to DuckDB: ASCII's own.
const (
	unitSeparator   = "\x1f"
	recordSeparator = "\x1e"
)

// create returns the statement that makes a table of these rows. Columns of the
// table that the rows lack are NULL.
//
// All values that differ from row to row travel in one string literal: it costs the
// parser next to nothing, where a VALUES list of the same rows would take longer
// than all the rest of the catalogue.
func (s *rowset) create(t *table) string {
	var b strings.Builder
	b.WriteString("CREATE TABLE " + t.name + " AS SELECT ")
	var varying []int
	for i, c := range t.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		j := slices.Index(s.columns, c.name)
		switch value, constant, nulls := s.survey(j); {
		case constant && value == null:
			b.WriteString("NULL")
		case constant:
			b.WriteString(quoteLiteral(duckText(value, c.duck)))
		case nulls:
			varying = append(varying, j)
			fmt.Fprintf(&b, `nullif(f[%d], '\N')`, len(varying))
		default:
			varying = append(varying, j)
			fmt.Fprintf(&b, `f[%d]`, len(varying))
		}
		b.WriteString("::" + c.duck + " AS " + quoteIdent(c.name))
	}
	b.WriteString("\nFROM (SELECT string_split(unnest(string_split('")
	for i, row := range s.rows {
		if i > 0 {
			b.WriteString(recordSeparator)
		}
		for n, j := range varying {
			if n > 0 {
				b.WriteString(unitSeparator)
			}
			b.WriteString(strings.ReplaceAll(duckText(row[j], t.typeOf(s.columns[j])), "'", "''"))
		}
	}
	b.WriteString("', chr(30))), chr(31)) AS f);\n")
	return b.String()
}

// survey says whether all rows have the same value in column j, which is -1 for one
// that they lack, and whether any is NULL.
func (s *rowset) survey(j int) (value string, constant, nulls bool) {
	if j < 0 {
		return null, true, true
	}
	constant = true
	for i, row := range s.rows {
		if i == 0 {
			value = row[j]
		}
		constant = constant && row[j] == value
		nulls = nulls || row[j] == null
	}
	return value, constant, nulls
}

// duckText turns PostgreSQL's text of a value into DuckDB's, which differ for arrays
// and vectors.
func duckText(v, duck string) string {
	if v == null || !strings.HasSuffix(duck, "[]") {
		return v
	}
	if inner, ok := strings.CutPrefix(v, "{"); ok {
		return "[" + strings.TrimSuffix(inner, "}") + "]"
	}
	return "[" + strings.ReplaceAll(v, " ", ",") + "]"
}

// quoteIdent writes a name as SQL.
func quoteIdent(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// quoteLiteral writes a string as SQL.
func quoteLiteral(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
