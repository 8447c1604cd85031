package engine

import (
	"github.com/apache/arrow-go/v18/arrow"
	duckdb "github.com/duckdb/duckdb-go-bindings"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// arrowOptions convert DuckDB's vectors to Arrow. The zero value is not usable
// until schema was called.
type arrowOptions struct{ options duckdb.ArrowOptions }

func (a *arrowOptions) destroy() {
	if a.options.Ptr != nil {
		duckdb.DestroyArrowOptions(&a.options)
	}
}

// schema returns the Arrow schema of a result.
func (a *arrowOptions) schema(res *duckdb.Result) (*arrow.Schema, error) {
	a.options = duckdb.ResultGetArrowOptions(res)
	n := duckdb.ColumnCount(res)
	names := make([]string, n)
	types := make([]duckdb.LogicalType, n)
	for c := range n {
		names[c], types[c] = duckdb.ColumnName(res, c), duckdb.ColumnLogicalType(res, c)
	}
	defer func() {
		for c := range types {
			duckdb.DestroyLogicalType(&types[c])
		}
	}()
	schema, failure := duckdb.NewArrowSchema(a.options, types, names)
	return schema, errorData(failure)
}

// batch copies a chunk.
func (a *arrowOptions) batch(schema *arrow.Schema, chunk duckdb.DataChunk) (arrow.RecordBatch, error) {
	rec, failure := duckdb.DataChunkToArrowArray(a.options, schema, chunk)
	return rec, errorData(failure)
}

// errorData returns the error that C made, or nil, and frees it.
func errorData(d duckdb.ErrorData) error {
	defer duckdb.DestroyErrorData(&d)
	if !duckdb.ErrorDataHasError(d) {
		return nil
	}
	f := parseFault(duckdb.ErrorDataMessage(d))
	return warehouse.Errorf(f.kind(), "convert rows: %w", f)
}
