package engine

import (
	"context"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	duckdb "github.com/duckdb/duckdb-go-bindings"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Append adds the rows of rec to a table with the same columns: BIGINT, INTEGER,
// VARCHAR, TIMESTAMPTZ and VARCHAR[], from Arrow's int64, int32, strings and
// dictionaries of strings, timestamps in microseconds, and lists of these.
//
// The rows are copied value by value. DuckDB can take Arrow arrays as they are,
// but was seen to crash over memory that is Go's.
func (i *Instance) Append(ctx context.Context, database, schema, table string, rec arrow.RecordBatch) error {
	columns := make([]appendColumn, rec.NumCols())
	types := make([]duckdb.LogicalType, rec.NumCols())
	defer func() {
		for c := range types {
			duckdb.DestroyLogicalType(&types[c])
		}
	}()
	for c, a := range rec.Columns() {
		var err error
		if columns[c], err = newAppendColumn(a); err != nil {
			return warehouse.Errorf(warehouse.Internal, "append to %s: column %s: %w", table, rec.ColumnName(c), err)
		}
		types[c] = columns[c].logicalType()
	}
	return i.interruptible(ctx, func() error {
		var app duckdb.Appender
		defer duckdb.AppenderDestroy(&app)
		if duckdb.AppenderCreateExt(i.conn, database, schema, table, &app) == duckdb.StateError {
			return i.fault(duckdb.AppenderError(app))
		}
		chunk := duckdb.CreateDataChunk(types)
		defer duckdb.DestroyDataChunk(&chunk)
		size, rows := int(duckdb.VectorSize()), int(rec.NumRows())
		for from := 0; from < rows; from += size {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			to := min(from+size, rows)
			duckdb.DataChunkReset(chunk)
			for c := range columns {
				columns[c].fill(duckdb.DataChunkGetVector(chunk, duckdb.IdxT(c)), from, to)
			}
			duckdb.DataChunkSetSize(chunk, duckdb.IdxT(to-from))
			if duckdb.AppendDataChunk(app, chunk) == duckdb.StateError {
				return i.fault(duckdb.AppenderError(app))
			}
		}
		if duckdb.AppenderClose(app) == duckdb.StateError {
			return i.fault(duckdb.AppenderError(app))
		}
		return nil
	})
}

// appendColumn copies a range of an Arrow array to a vector.
type appendColumn struct {
	array  arrow.Array
	duckdb duckdb.Type
	put    func(v duckdb.Vector, at, row int)
	elem   *appendColumn // of a list
}

// logicalType returns the column's type. The caller destroys it.
func (c *appendColumn) logicalType() duckdb.LogicalType {
	if c.elem == nil {
		return duckdb.CreateLogicalType(c.duckdb)
	}
	elem := c.elem.logicalType()
	defer duckdb.DestroyLogicalType(&elem)
	return duckdb.CreateListType(elem)
}

func newAppendColumn(a arrow.Array) (appendColumn, error) {
	switch a := a.(type) {
	case *array.Int64:
		return appendColumn{array: a, duckdb: duckdb.TypeBigInt, put: func(v duckdb.Vector, at, row int) { putInt64(v, at, a.Value(row)) }}, nil
	case *array.Timestamp:
		if t, ok := a.DataType().(*arrow.TimestampType); ok && t.Unit == arrow.Microsecond {
			return appendColumn{array: a, duckdb: duckdb.TypeTimestampTZ, put: func(v duckdb.Vector, at, row int) { putInt64(v, at, int64(a.Value(row))) }}, nil
		}
	case *array.List:
		return newAppendList(a)
	case *array.Int32:
		return appendColumn{array: a, duckdb: duckdb.TypeInteger, put: func(v duckdb.Vector, at, row int) {
			*(*int32)(unsafe.Add(duckdb.VectorGetData(v), 4*at)) = a.Value(row)
		}}, nil
	case *array.String:
		return appendColumn{array: a, duckdb: duckdb.TypeVarchar, put: func(v duckdb.Vector, at, row int) { putString(v, at, a.Value(row)) }}, nil
	case *array.Dictionary:
		if names, ok := a.Dictionary().(*array.String); ok {
			return appendColumn{array: a, duckdb: duckdb.TypeVarchar, put: func(v duckdb.Vector, at, row int) {
				putString(v, at, names.Value(a.GetValueIndex(row)))
			}}, nil
		}
	}
	return appendColumn{}, warehouse.Errorf(warehouse.Internal, "type %s is not supported", a.DataType())
}

// newAppendList copies lists: a vector of them has all elements in a vector below it.
func newAppendList(a *array.List) (appendColumn, error) {
	elem, err := newAppendColumn(a.ListValues())
	if err != nil {
		return appendColumn{}, err
	}
	return appendColumn{array: a, duckdb: duckdb.TypeList, elem: &elem, put: func(v duckdb.Vector, at, row int) {
		from, to := a.ValueOffsets(row)
		start, n := duckdb.ListVectorGetSize(v), duckdb.IdxT(to-from)
		duckdb.ListVectorReserve(v, start+n)
		below := duckdb.ListVectorGetChild(v)
		for i := range int(n) {
			elem.set(below, int(start)+i, int(from)+i)
		}
		duckdb.ListVectorSetSize(v, start+n)
		entry := duckdb.NewListEntry(uint64(start), uint64(n))
		*(*duckdb.ListEntry)(unsafe.Add(duckdb.VectorGetData(v), int(unsafe.Sizeof(entry))*at)) = entry
	}}, nil
}

func putInt64(v duckdb.Vector, at int, value int64) {
	*(*int64)(unsafe.Add(duckdb.VectorGetData(v), 8*at)) = value
}

func putString(v duckdb.Vector, at int, s string) {
	duckdb.VectorAssignStringElementLen(v, duckdb.IdxT(at), []byte(s))
}

func (c *appendColumn) fill(v duckdb.Vector, from, to int) {
	for row := from; row < to; row++ {
		c.set(v, row-from, row)
	}
}

// set copies one value.
func (c *appendColumn) set(v duckdb.Vector, at, row int) {
	if c.array.IsNull(row) {
		duckdb.VectorEnsureValidityWritable(v)
		duckdb.ValiditySetRowInvalid(duckdb.VectorGetValidity(v), duckdb.IdxT(at))
		return
	}
	c.put(v, at, row)
}
