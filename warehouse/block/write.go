package block

import (
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Sizes of row groups: whichever is reached first ends one.
const (
	MaxRowGroupRows   = 480 << 10 // a multiple of DuckDB's vector and row group sizes
	maxRowGroupValues = 1 << 20   // of one list column
	maxRowValues      = 1 << 20   // a longer list is refused
)

const magic = "PAR1"

// chunkWriters keeps scratch memory, which grows to the largest chunk written.
var chunkWriters = sync.Pool{New: func() any { return newChunkWriter() }}

// AppendParquet appends a whole Parquet file with the record's rows, which the
// caller has sorted, to dst. Offsets in the file count from its own start.
//
// The record has the columns of [ArrowSchema], by name and order; strings may
// be plain or dictionaries, in slices of larger arrays too. A record that does
// not fit the schema is an Invalid error, one too large for it a Limit error;
// dst is then returned as it was.
//
// Ownership: the record is only read. Concurrency: safe.
func AppendParquet(dst []byte, t warehouse.Table, rec arrow.RecordBatch) ([]byte, error) {
	return appendParquet(dst, t, rec, MaxRowGroupRows, maxRowGroupValues, pageValues)
}

// AppendLoose is [AppendParquet] for a part that is merged again, with many others at
// once: its pages are small, so that little of it is in memory at a time.
func AppendLoose(dst []byte, t warehouse.Table, rec arrow.RecordBatch) ([]byte, error) {
	return appendParquet(dst, t, rec, MaxRowGroupRows, maxRowGroupValues, loosePage)
}

func appendParquet(dst []byte, t warehouse.Table, rec arrow.RecordBatch, maxRows, maxValues, page int) ([]byte, error) {
	tab, err := tableOf(t)
	if err != nil {
		return dst, err
	}
	leaves, err := leavesOf(t, tab, rec)
	if err != nil {
		return dst, err
	}
	w := Writer{table: t, tab: tab, out: append(dst, magic...), base: len(dst), chunks: chunkWriters.Get().(*chunkWriter)}
	defer w.release()
	w.chunks.most = page
	rows := int(rec.NumRows())
	w.chunks.always = rowGroupEnd(leaves, 0, rows, maxRows, maxValues) < rows
	if err := w.append(leaves, rows, maxRows, maxValues); err != nil {
		return dst, err
	}
	return w.finish(), nil
}
