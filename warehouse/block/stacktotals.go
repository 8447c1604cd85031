package block

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// StackTotal is one row of the stack_totals table: what one service has of one
// type and stacktrace in one object.
type StackTotal struct {
	Hour       warehouse.Hour
	Service    string
	Type       string // text form of the profile type
	Stacktrace warehouse.StacktraceID
	Value      decimal128.Num // sum
	Samples    int64
}

// StackTotalsRecord returns the rows in their order, which is sorted: service,
// type, stacktrace.
//
// Ownership: the caller releases the record; it does not refer to rows.
func StackTotalsRecord(rows []StackTotal) arrow.RecordBatch {
	n := len(rows)
	var services, types interner
	hours := make([]warehouse.Micros, n)
	stacks, samples := make([]warehouse.StacktraceID, n), make([]int64, n)
	services.grow(n)
	types.grow(n)
	values := array.NewDecimal128Builder(memory.DefaultAllocator, &arrow.Decimal128Type{Precision: decimalPrecision})
	defer values.Release()
	values.Reserve(n)
	for i := range rows {
		r := &rows[i]
		hours[i] = r.Hour.Start()
		services.add(r.Service)
		types.add(r.Type)
		stacks[i], samples[i] = r.Stacktrace, r.Samples
		values.Append(r.Value)
	}
	return record(warehouse.TableStackTotals, n,
		wrap(arrow.FixedWidthTypes.Timestamp_us, hours),
		services.array(),
		types.array(),
		wrap(arrow.PrimitiveTypes.Int64, stacks),
		values.NewArray(),
		wrap(arrow.PrimitiveTypes.Int64, samples),
	)
}

// ReadStackTotals calls fn with every row of a stack_totals file, in order; see
// [ReadSamples]. Strings may be kept.
func ReadStackTotals(data []byte, fn func(StackTotal) error) error {
	return readTable(data, warehouse.TableStackTotals, func(c []columnValues, rows int) error {
		for i := range rows {
			err := fn(StackTotal{
				Hour:       warehouse.Micros(c[0].ints[i]).Hour(),
				Service:    c[1].text(i),
				Type:       c[2].text(i),
				Stacktrace: warehouse.StacktraceID(c[3].ints[i]),
				Value:      decimalOf(c[4].fixed[16*i:]),
				Samples:    c[5].ints[i],
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// decimalOf reads 16 bytes, big-endian, in two's complement.
func decimalOf(b []byte) decimal128.Num {
	var hi, lo uint64
	for _, x := range b[:8] {
		hi = hi<<8 | uint64(x)
	}
	for _, x := range b[8:16] {
		lo = lo<<8 | uint64(x)
	}
	return decimal128.New(int64(hi), lo)
}
