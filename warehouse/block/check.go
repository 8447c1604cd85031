package block

import (
	"bytes"
	"cmp"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Check verifies a whole file of the table: that our reader and parquet-go, an
// independent one, find the table's schema and the same values in it; that what
// its metadata states about itself and about the values is true; that it has so
// many rows, that they are sorted, that parallel lists are of equal length, and
// that no id is defined twice. The first fault is a Corrupt error that names the
// table and, where there is one, the column and row.
//
// It costs the memory of one row group, and takes about ten times as long as
// reading.
func Check(data []byte, t warehouse.Table, rows int64) error {
	tab, err := tableOf(t)
	if err != nil {
		return err
	}
	c := checker{table: t, tab: tab, unique: t == warehouse.TableSeries || t == warehouse.TableStacktraces}
	m, err := readMetadata(data, t, tab)
	if err != nil {
		return asFault(CheckFooter, err)
	}
	if c.second, err = openSecond(data, t, tab, m); err != nil {
		return c.corruptf("%w", err)
	}
	if err := readTable(data, t, c.group); err != nil {
		return asFault(CheckPage, err)
	}
	if c.rows != rows {
		return c.faultf(CheckRows, "", warehouse.NoRow, "file has %d rows, want %d", c.rows, rows)
	}
	if t == warehouse.TableSeries {
		return asFault(CheckSeriesType, ReadSeries(data, func(warehouse.Series) error { return nil })) // parses the types
	}
	return nil
}

// checker checks one row group after another.
type checker struct {
	table  warehouse.Table
	tab    *table
	second *secondReader
	unique bool // no two rows may have the same key
	groups int
	rows   int64
	last   []cell // key of the row before
	key    []cell // scratch
}

// cell is a value of a sort column; only the field of its kind is set.
type cell struct {
	text   string
	fixed  warehouse.ProfileID
	number int64
}

func (a cell) compare(b cell) int {
	return cmp.Or(strings.Compare(a.text, b.text), bytes.Compare(a.fixed[:], b.fixed[:]), cmp.Compare(a.number, b.number))
}

func (c *checker) group(columns []columnValues, rows int) error {
	if err := c.second.group(c.groups, columns, c.rows); err != nil {
		return c.corruptf("%w", err)
	}
	c.groups++
	lists := -1 // the first nested column
	for i := range columns {
		switch {
		case !c.tab.leaves[i].nested():
		case lists < 0:
			lists = i
		case !sameLists(&columns[lists], &columns[i]):
			return c.faultf(CheckLists, c.tab.leaves[i].path[0], c.rows, "column %s: %w", c.tab.leaves[i].path[0], errLists)
		}
	}
	for row := range rows {
		key := c.key[:0]
		for _, name := range c.tab.sorted {
			i := c.tab.leafIndex(name)
			key = append(key, cellOf(&columns[i], c.tab.leaves[i].kind, row))
		}
		if err := c.order(key); err != nil {
			return err
		}
	}
	return nil
}

func cellOf(v *columnValues, k kind, row int) cell {
	switch k {
	case kindString:
		return cell{text: v.text(row)}
	case kindUUID:
		return cell{fixed: v.uuid(row)}
	}
	return cell{number: v.ints[row]}
}

// order checks that the key belongs behind that of the row before.
func (c *checker) order(key []cell) error {
	order := 1
	for i := range c.last {
		if order = key[i].compare(c.last[i]); order != 0 {
			break
		}
	}
	if order < 0 || order == 0 && c.unique {
		name := CheckOrder
		if order == 0 {
			name = CheckUnique
		}
		return c.faultf(name, "", c.rows, "row %d is not behind the row before", c.rows)
	}
	c.last, c.key = key, c.last
	c.rows++
	return nil
}

func (c *checker) corruptf(format string, args ...any) error {
	return warehouse.Errorf(warehouse.Corrupt, "check %s: "+format, append([]any{c.table}, args...)...)
}

func (c *checker) faultf(check, column string, row int64, format string, args ...any) error {
	return &fault{check, column, row, c.corruptf(format, args...)}
}
