package block

import (
	"fmt"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// ReadStackColumns calls fn with the definitions of a stacktraces file by
// column, one row group after another; see [ReadSamples]. If wanted is not nil,
// only the definitions of which it reports true, and no call without any. A row
// group without a wanted one costs its ids; in another, all lists are decoded,
// and what is not wanted saves only the work of fn.
//
// Ownership: the columns are valid until fn returns; their strings may be kept,
// but are pieces of larger ones: copy those that live long.
func ReadStackColumns(data []byte, wanted func(warehouse.StacktraceID) bool, fn func(*warehouse.StackColumns) error) error {
	const t = warehouse.TableStacktraces
	tab := tables[t]
	m, err := readMetadata(data, t, tab)
	if err != nil {
		return err
	}
	reader := chunkReaders.Get().(*chunkReader)
	defer reader.release()
	r := stackReader{chunks: reader, columns: reader.leafValues(len(tab.leaves)), wanted: wanted}
	for i := range m.groups {
		if err := r.read(data, tab, &m.groups[i]); err != nil {
			return corrupt(t, fmt.Errorf("row group %d: %w", i, err))
		}
		if len(r.out.IDs) == 0 {
			continue
		}
		if err := fn(&r.out); err != nil {
			return err
		}
	}
	return nil
}

// stackReader reads definitions by column. Columns are numbered as the leaves
// of the table: the id is 0, the functions are 1.
type stackReader struct {
	chunks  *chunkReader
	columns []columnValues
	wanted  func(warehouse.StacktraceID) bool
	rows    []int32 // that are wanted
	out     warehouse.StackColumns
}

// read fills out with the wanted rows of the group.
func (r *stackReader) read(data []byte, tab *table, g *groupRef) error {
	r.out.IDs, r.rows = r.out.IDs[:0], r.rows[:0]
	if err := readLeaves(r.chunks, data, tab, g, r.columns, 0, 1); err != nil {
		return err
	}
	for row, id := range r.columns[0].ints {
		if id := warehouse.StacktraceID(id); r.wanted == nil || r.wanted(id) {
			r.out.IDs = append(r.out.IDs, id)
			r.rows = append(r.rows, int32(row))
		}
	}
	if len(r.rows) == 0 {
		return nil
	}
	if err := readLeaves(r.chunks, data, tab, g, r.columns, 1, len(r.columns)); err != nil {
		return err
	}
	for i := 2; i < len(r.columns); i++ {
		if !sameLists(&r.columns[1], &r.columns[i]) {
			return errLists
		}
	}
	if len(r.rows) < len(r.columns[0].ints) {
		r.keepRows()
	}
	c := r.columns
	r.out.Offsets = c[1].offsets
	r.out.Functions, r.out.SystemNames, r.out.Filenames = c[1].textColumn(), c[2].textColumn(), c[3].textColumn()
	r.out.Lines, r.out.StartLines = c[4].ints, c[5].ints
	r.out.Mappings, r.out.BuildIDs = c[6].textColumn(), c[7].textColumn()
	r.out.Addresses, r.out.Inlined = c[8].ints, c[9].bits
	return nil
}

// keepRows moves the values of the wanted rows to the front, and drops the others.
func (r *stackReader) keepRows() {
	offsets := r.columns[1].offsets // not overwritten before the last column is done
	for i := 1; i < len(r.columns); i++ {
		c := &r.columns[i]
		c.index = keepLists(c.index, offsets, r.rows)
		c.ints = keepLists(c.ints, offsets, r.rows)
		c.bits = keepLists(c.bits, offsets, r.rows)
	}
	end := int32(0)
	for i, row := range r.rows {
		from, to := offsets[row], offsets[row+1]
		offsets[i] = end // i ≤ row: later rows are still as they were
		end += to - from
	}
	offsets[len(r.rows)] = end
	r.columns[1].offsets = offsets[:len(r.rows)+1]
}

// keepLists moves the lists of the rows, which ascend, to the front of values.
func keepLists[T any](values []T, offsets, rows []int32) []T {
	if len(values) == 0 {
		return values
	}
	kept := values[:0]
	for _, row := range rows {
		kept = append(kept, values[offsets[row]:offsets[row+1]]...)
	}
	return kept
}

func (v *columnValues) textColumn() warehouse.TextColumn {
	return warehouse.TextColumn{Texts: v.texts, Index: v.index}
}
