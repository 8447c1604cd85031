package block

import (
	"bytes"
	"cmp"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Check decodes a whole file of the table and verifies that it has so many
// rows, that they are sorted, that parallel lists are of equal length, and that
// no id is defined twice. The first fault is a Corrupt error.
func Check(data []byte, t warehouse.Table, rows int64) error {
	tab, err := tableOf(t)
	if err != nil {
		return err
	}
	c := checker{tab: tab, unique: t == warehouse.TableSeries || t == warehouse.TableStacktraces}
	if err := readTable(data, t, c.group); err != nil {
		return err
	}
	if c.rows != rows {
		return warehouse.Errorf(warehouse.Corrupt, "check %s: file has %d rows, want %d", t, c.rows, rows)
	}
	if t == warehouse.TableSeries {
		return ReadSeries(data, func(warehouse.Series) error { return nil }) // parses the types
	}
	return nil
}

// checker checks one row group after another.
type checker struct {
	tab    *table
	unique bool // no two rows may have the same key
	rows   int64
	last   []cell // key of the row before
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
	lists := -1 // the first nested column
	for i := range columns {
		switch {
		case !c.tab.leaves[i].nested():
		case lists < 0:
			lists = i
		case !sameLists(&columns[lists], &columns[i]):
			return c.corruptf("column %s: %w", c.tab.leaves[i].path[0], errLists)
		}
	}
	for row := range rows {
		key := make([]cell, 0, len(c.tab.sorted))
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
		return c.corruptf("row %d is not behind the row before", c.rows)
	}
	c.last = key
	c.rows++
	return nil
}

func (c *checker) corruptf(format string, args ...any) error {
	return warehouse.Errorf(warehouse.Corrupt, "check: "+format, args...)
}
