package block

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Writer makes a Parquet file of any number of records, whose rows are sorted
// across all of them. Its memory is the file's, and that of the record that is
// being written.
//
// Concurrency: one goroutine at a time.
type Writer struct {
	table  warehouse.Table
	tab    *table
	out    []byte // from base on, the file so far
	base   int
	rows   int64
	groups []rowGroupMeta
	chunks *chunkWriter // nil after the end
}

// NewWriter returns a Writer of a table's file. The caller ends it by Finish or
// Close.
func NewWriter(t warehouse.Table) (*Writer, error) {
	tab, err := tableOf(t)
	if err != nil {
		return nil, err
	}
	w := &Writer{table: t, tab: tab, out: []byte(magic), chunks: chunkWriters.Get().(*chunkWriter)}
	w.chunks.always = true
	return w, nil
}

// Loose makes the pages those of [AppendLoose]. It is called before the first Append.
func (w *Writer) Loose() { w.chunks.most = loosePage }

// Grow makes room for n more bytes, so that a large file is not copied as it grows.
func (w *Writer) Grow(n int64) { w.out = slices.Grow(w.out, int(n)) }

// Append writes the record's rows as row groups of their own; see [AppendParquet].
// After an error the Writer can only be closed.
func (w *Writer) Append(rec arrow.RecordBatch) error {
	leaves, err := leavesOf(w.table, w.tab, rec)
	if err != nil {
		return err
	}
	return w.append(leaves, int(rec.NumRows()), MaxRowGroupRows, maxRowGroupValues)
}

// Size returns the bytes of the row groups so far.
func (w *Writer) Size() int64 { return int64(len(w.out) - w.base) }

// Rows returns the number of rows so far.
func (w *Writer) Rows() int64 { return w.rows }

// Finish returns the file.
func (w *Writer) Finish() []byte {
	defer w.release()
	return w.finish()
}

// Close ends a Writer whose file is not wanted. After Finish it does nothing.
func (w *Writer) Close() { w.release() }

func (w *Writer) append(leaves []leafData, rows, maxRows, maxValues int) error {
	for row := 0; row < rows; {
		end := rowGroupEnd(leaves, row, rows, maxRows, maxValues)
		if len(w.groups) == math.MaxInt16 {
			return warehouse.Errorf(warehouse.Limit, "write %s: more than %d row groups", w.table, len(w.groups))
		}
		g := rowGroupMeta{rows: int64(end - row), offset: int64(len(w.out) - w.base)}
		for i := range leaves {
			out, m, err := w.chunks.write(w.out, w.base, &leaves[i], row, end)
			if err != nil {
				return err
			}
			w.out = out
			g.chunks = append(g.chunks, m)
		}
		w.groups = append(w.groups, g)
		w.rows += g.rows
		row = end
	}
	return nil
}

func (w *Writer) finish() []byte {
	out, size := appendFooter(w.out, w.base, w.table, w.tab, w.groups)
	out = binary.LittleEndian.AppendUint32(out, uint32(size))
	return append(out, magic...)
}

func (w *Writer) release() {
	if w.chunks != nil {
		w.chunks.release()
		w.chunks = nil
	}
}
