package engine

import (
	"context"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	duckdb "github.com/duckdb/duckdb-go-bindings"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Append adds the rows of rec to a table with the same columns: BIGINT, INTEGER
// and VARCHAR, from Arrow's int64, int32, strings and dictionaries of strings.
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
		types[c] = duckdb.CreateLogicalType(columns[c].duckdb)
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
}

func newAppendColumn(a arrow.Array) (appendColumn, error) {
	switch a := a.(type) {
	case *array.Int64:
		return appendColumn{a, duckdb.TypeBigInt, func(v duckdb.Vector, at, row int) {
			*(*int64)(unsafe.Add(duckdb.VectorGetData(v), 8*at)) = a.Value(row)
		}}, nil
	case *array.Int32:
		return appendColumn{a, duckdb.TypeInteger, func(v duckdb.Vector, at, row int) {
			*(*int32)(unsafe.Add(duckdb.VectorGetData(v), 4*at)) = a.Value(row)
		}}, nil
	case *array.String:
		return appendColumn{a, duckdb.TypeVarchar, func(v duckdb.Vector, at, row int) { putString(v, at, a.Value(row)) }}, nil
	case *array.Dictionary:
		if names, ok := a.Dictionary().(*array.String); ok {
			return appendColumn{a, duckdb.TypeVarchar, func(v duckdb.Vector, at, row int) {
				putString(v, at, names.Value(a.GetValueIndex(row)))
			}}, nil
		}
	}
	return appendColumn{}, warehouse.Errorf(warehouse.Internal, "type %s is not supported", a.DataType())
}

func putString(v duckdb.Vector, at int, s string) {
	duckdb.VectorAssignStringElementLen(v, duckdb.IdxT(at), []byte(s))
}

func (c *appendColumn) fill(v duckdb.Vector, from, to int) {
	for row := from; row < to; row++ {
		if c.array.IsNull(row) {
			duckdb.VectorEnsureValidityWritable(v)
			duckdb.ValiditySetRowInvalid(duckdb.VectorGetValidity(v), duckdb.IdxT(row-from))
			continue
		}
		c.put(v, row-from, row)
	}
}
