package pgwire

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// Names that shorten signatures.
type (
	recordBatch = arrow.RecordBatch
	column      = statement.Column
)

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// textColumns are columns of type text.
func textColumns(names ...string) []statement.Column {
	cols := make([]statement.Column, len(names))
	for i, n := range names {
		cols[i] = statement.Column{Name: n, Type: statement.Type{Name: statement.Varchar}}
	}
	return cols
}

// textRows is a result of text, its cells row by row.
func textRows(columns int, cells ...string) rowSource {
	fields := make([]arrow.Field, columns)
	builders := make([]*array.StringBuilder, columns)
	for i := range columns {
		fields[i] = arrow.Field{Type: arrow.BinaryTypes.String}
		builders[i] = array.NewStringBuilder(memory.DefaultAllocator)
	}
	for i, c := range cells {
		builders[i%columns].Append(c)
	}
	arrays := make([]arrow.Array, columns)
	for i, b := range builders {
		arrays[i] = b.NewArray()
	}
	rec := array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, int64(len(cells)/max(columns, 1)))
	return &oneBatch{rec: rec}
}

// boolRow is a result of one boolean.
func boolRow(v bool) rowSource {
	b := array.NewBooleanBuilder(memory.DefaultAllocator)
	b.Append(v)
	schema := arrow.NewSchema([]arrow.Field{{Type: arrow.FixedWidthTypes.Boolean}}, nil)
	return &oneBatch{rec: array.NewRecordBatch(schema, []arrow.Array{b.NewArray()}, 1)}
}

// oneBatch is a result that is there already.
type oneBatch struct {
	rec  recordBatch
	read bool
}

func (o *oneBatch) Next(context.Context) (arrow.RecordBatch, error) {
	if o.read {
		return nil, io.EOF
	}
	o.read = true
	return o.rec, nil
}

// Close leaves the batch, whose memory is Go's, to the collector.
func (*oneBatch) Close() {}
