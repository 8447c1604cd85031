package sqltest

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Answer is what a question gets: columns and rows, or an error.
type Answer struct {
	Columns []string
	Rows    [][]string // as PostgreSQL writes them; Null for NULL
	State   string     // SQLSTATE of an error
	Message string     // of an error
}

// Null is how an answer shows NULL.
const Null = "NULL"

// String returns the answer as scripts have it: a line of names and one for each
// row, separated by tabs; or "error STATE message".
func (a *Answer) String() string {
	if a.State != "" {
		return "error " + a.State + " " + a.Message + "\n"
	}
	var b strings.Builder
	for _, row := range append([][]string{a.Columns}, a.Rows...) {
		if len(row) > 0 {
			b.WriteString(strings.Join(row, "\t"))
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// filesOf is how EXPLAIN says what it reads of a relation.
var filesOf = regexp.MustCompile(`^Files of (\w+): (\d+) of (\d+)`)

// Explained keeps of the rows of EXPLAIN what is the same for every layout: the
// scans with their filters, and whether all, some or none of the files of each
// relation are read. Parts of an hour may be one file or many: whether some of
// them are left out is for the hours and services of a script to decide.
func Explained(rows [][]string) *Answer {
	a := &Answer{}
	for _, row := range rows {
		line := strings.Join(row, "\t")
		if m := filesOf.FindStringSubmatch(line); m != nil {
			share := "some"
			switch m[2] {
			case "0":
				share = "none"
			case m[3]:
				share = "all"
			}
			a.Rows = append(a.Rows, []string{m[1] + ": " + share})
		}
		if strings.HasPrefix(line, "Reads ") {
			a.Rows = append(a.Rows, []string{line})
		}
	}
	return a
}

// Cells returns the rows of a batch as PostgreSQL writes values, for the types that
// scripts use. Instants are shown in zone.
func Cells(rec arrow.RecordBatch, zone *time.Location) (rows [][]string) {
	for i := range int(rec.NumRows()) {
		var row []string
		for _, col := range rec.Columns() {
			row = append(row, cell(col, i, zone))
		}
		rows = append(rows, row)
	}
	return rows
}

func cell(col arrow.Array, i int, zone *time.Location) string {
	if col.IsNull(i) {
		return Null
	}
	switch c := col.(type) {
	case *array.Boolean:
		return map[bool]string{true: "t", false: "f"}[c.Value(i)]
	case *array.Float64:
		return Float(c.Value(i))
	case *array.Timestamp:
		at := time.UnixMicro(int64(c.Value(i)))
		if c.DataType().(*arrow.TimestampType).TimeZone == "" {
			return Timestamp(at)
		}
		return Instant(at, zone)
	case *array.Decimal128:
		return c.Value(i).ToString(c.DataType().(*arrow.Decimal128Type).Scale)
	case *array.Map: // a map is also a list
		return object(c, i, zone)
	case *array.List:
		from, to := c.ValueOffsets(i)
		var items []string
		for j := from; j < to; j++ {
			items = append(items, cell(c.ListValues(), int(j), zone))
		}
		return "{" + strings.Join(items, ",") + "}"
	}
	return strings.Clone(col.ValueStr(i)) // the batch goes away
}

// object is a map as JSON.
func object(c *array.Map, i int, zone *time.Location) string {
	from, to := c.ValueOffsets(i)
	fields := map[string]string{}
	for j := from; j < to; j++ {
		fields[cell(c.Keys(), int(j), zone)] = cell(c.Items(), int(j), zone)
	}
	members := make([]string, 0, len(fields))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		members = append(members, quoteJSON(name)+":"+quoteJSON(fields[name]))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func quoteJSON(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Float is a double as PostgreSQL writes it.
func Float(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// Timestamp is a timestamp without time zone as PostgreSQL writes it.
func Timestamp(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05.999999") }

// Instant is a timestamp with time zone as PostgreSQL writes it.
func Instant(at time.Time, zone *time.Location) string {
	at = at.In(zone)
	_, seconds := at.Zone()
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	offset := fmt.Sprintf("%c%02d", sign, seconds/3600)
	if minutes := seconds / 60 % 60; minutes != 0 {
		offset += fmt.Sprintf(":%02d", minutes)
	}
	return at.Format("2006-01-02 15:04:05.999999") + offset
}
