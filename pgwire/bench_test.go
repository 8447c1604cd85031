package pgwire

import (
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stackhouse-db/stackhouse/sql/statement"
	"github.com/stretchr/testify/require"
)

// Rows of three columns as they leave for a client that is infinitely fast.
//
//	go test -run '^$' -bench Encode ./pgwire
//
// Scale: one batch of 2,048 rows, DuckDB's size; rows/s is per core.
func BenchmarkEncode(b *testing.B) {
	const rows = 2048
	batch := benchBatch(rows)
	columns := []statement.Column{{Name: "n", Type: bigint}, {Name: "s", Type: varchar}, {Name: "t", Type: named(statement.TimestampTZ)}, {Name: "sum", Type: named(statement.HugeInt)}}
	for _, format := range []int16{formatText, formatBinary} {
		b.Run(fmt.Sprintf("format=%d", format), func(b *testing.B) {
			w := newWire(&sink{}, Options{}, prometheus.NewCounter(prometheus.CounterOpts{}))
			enc, err := newRowEncoder(columns, batch.Schema(), []int16{format, format, format, format}, utcStyle())
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if err := enc.encode(w, batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func benchBatch(rows int) arrow.RecordBatch {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "n", Type: arrow.PrimitiveTypes.Int64}, {Name: "s", Type: arrow.BinaryTypes.String}, {Name: "t", Type: microsZone}, {Name: "sum", Type: decimal38},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i := range rows {
		b.Field(0).(*array.Int64Builder).Append(int64(i) * 1_000_003)
		b.Field(1).(*array.StringBuilder).Append("checkout-service")
		b.Field(2).(*array.TimestampBuilder).Append(arrow.Timestamp(1767225600_000000 + i*1000))
		raw128(0, uint64(i)*1_000_000_007)(b.Field(3))
	}
	return b.NewRecordBatch()
}

// sink is a connection that takes everything.
type sink struct{ scriptedConn }

func (*sink) Write(p []byte) (int, error) { return io.Discard.Write(p) }

var _ net.Conn = &sink{}
