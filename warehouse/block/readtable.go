package block

import (
	"errors"
	"fmt"
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// errLists says that lists which belong together differ in length.
var errLists = errors.New("parallel lists differ in length")

// readTable calls each with the columns of every row group of a file; they are
// valid until it returns. Its error is returned as it is; faults of the bytes
// are Corrupt errors.
func readTable(data []byte, t warehouse.Table, each func(columns []columnValues, rows int) error) error {
	tab, err := tableOf(t)
	if err != nil {
		return err
	}
	m, err := readMetadata(data, t, tab)
	if err != nil {
		return err
	}
	reader := chunkReaders.Get().(*chunkReader)
	defer reader.release()
	columns := reader.leafValues(len(tab.leaves))
	for i := range m.groups {
		if err := readGroup(reader, data, tab, &m.groups[i], columns); err != nil {
			return corrupt(t, fmt.Errorf("row group %d: %w", i, err))
		}
		if err := each(columns, int(m.groups[i].rows)); err != nil {
			return err
		}
	}
	return nil
}

// leafValues returns room for the values of n leaves.
func (c *chunkReader) leafValues(n int) []columnValues {
	if len(c.columns) < n {
		c.columns = append(c.columns, make([]columnValues, n-len(c.columns))...)
	}
	return c.columns[:n]
}

// readGroup fills columns, which are those of all leaves.
func readGroup(reader *chunkReader, data []byte, tab *table, g *groupRef, columns []columnValues) error {
	return readLeaves(reader, data, tab, g, columns, 0, len(columns))
}

// readLeaves fills columns [from, to), which are those of the table's leaves.
func readLeaves(reader *chunkReader, data []byte, tab *table, g *groupRef, columns []columnValues, from, to int) error {
	for i := from; i < to; i++ {
		if err := readLeaf(reader.read, data, tab, g, columns, i); err != nil {
			return err
		}
	}
	return nil
}

// readLeaf fills columns[i] by read. Every access to the bytes is checked; should
// a check be missing, the panic becomes an error here.
func readLeaf(read func([]byte, *chunkRef, *leafSpec, int64, *columnValues) error, data []byte, tab *table, g *groupRef, columns []columnValues, i int) (err error) {
	leaf := &tab.leaves[i]
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			err = fmt.Errorf("column %s: %w", leaf.path[0], err)
		}
	}()
	return read(data, &g.chunks[i], leaf, g.rows, &columns[i])
}

func corrupt(t warehouse.Table, err error) error {
	return warehouse.Errorf(warehouse.Corrupt, "read %s: %w", t, err)
}

// text returns the i-th value of a string column.
func (v *columnValues) text(i int) string { return v.texts[v.index[i]] }

// uuid returns the i-th value of a UUID column.
func (v *columnValues) uuid(i int) warehouse.ProfileID { return warehouse.ProfileID(v.fixed[16*i:]) }

// sameLists reports whether all rows have as many values in a as in b.
func sameLists(a, b *columnValues) bool { return slices.Equal(a.offsets, b.offsets) }
