package pgwire

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// appendFunc appends the value at row i of an array, which is not NULL, to dst:
// the bytes of the value alone.
type appendFunc func(dst []byte, a arrow.Array, i int) []byte

// style is how the session wants its values.
type style struct {
	zone        *zone
	floatDigits int  // extra_float_digits
	escapeBytea bool // bytea_output = escape
	isoInterval bool // intervalstyle = iso_8601
}

// style returns the session's, as its parameters are now.
func (s *session) style() *style {
	digits := 1
	if v := s.params.value("extra_float_digits"); v != "1" {
		digits = atoi(v)
	}
	return &style{
		zone:        newZone(s.srv.location(s.params.value("timezone"))),
		floatDigits: digits,
		escapeBytea: s.params.value("bytea_output") == "escape",
		isoInterval: s.params.value("intervalstyle") == "iso_8601",
	}
}

// rowEncoder turns batches into DataRow messages.
type rowEncoder struct {
	schema  *arrow.Schema
	columns []appendFunc
}

func newRowEncoder(columns []statement.Column, schema *arrow.Schema, formats []int16, st *style) (*rowEncoder, error) {
	if schema.NumFields() != len(columns) {
		return nil, errorf(stateInternal, "result has %d columns, %d were described", schema.NumFields(), len(columns))
	}
	e := &rowEncoder{schema: schema, columns: make([]appendFunc, len(columns))}
	for i, c := range columns {
		dt := schema.Field(i).Type
		if formats != nil && formats[i] == formatBinary {
			var err error
			if e.columns[i], err = binaryColumn(c, dt, st); err != nil {
				return nil, err
			}
			continue
		}
		e.columns[i] = textFunc(c.Type, dt, st)
	}
	return e, nil
}

// encode writes a batch's rows.
func (e *rowEncoder) encode(w *wire, rec recordBatch) error {
	if err := e.check(rec.Schema()); err != nil {
		return err
	}
	cols := rec.Columns()
	for i := range int(rec.NumRows()) {
		row, err := e.appendRow(w.w.AvailableBuffer(), cols, i)
		if err != nil {
			return err
		}
		if err := w.write(row); err != nil {
			return errGone
		}
	}
	return nil
}

// check refuses a batch whose types are not the first one's: the encoders rely on
// them.
func (e *rowEncoder) check(schema *arrow.Schema) error {
	if schema == e.schema {
		return nil
	}
	for i, f := range e.schema.Fields() {
		if i >= schema.NumFields() || !arrow.TypeEqual(f.Type, schema.Field(i).Type) {
			return errorf(stateInternal, "types of result changed between batches")
		}
	}
	e.schema = schema
	return nil
}

// maxRowBytes is PostgreSQL's limit of one message.
const maxRowBytes = 1<<30 - 1

// appendRow appends
//
//	'D' int32 length of what follows, itself included, int16 columns, then each
//	int32 length of the value (-1: NULL), value
func (e *rowEncoder) appendRow(dst []byte, cols []arrow.Array, i int) ([]byte, error) {
	start := len(dst)
	dst = append(dst, 'D', 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(cols)))
	for c, col := range cols {
		dst = appendValue(dst, e.columns[c], col, i)
	}
	if len(dst)-start > maxRowBytes {
		return nil, errorf(stateProgramLimit, "a row has %d bytes, the limit is %d", len(dst)-start, maxRowBytes)
	}
	binary.BigEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-1))
	return dst, nil
}

// appendValue appends a value with its length, or -1 for NULL.
func appendValue(dst []byte, fn appendFunc, a arrow.Array, i int) []byte {
	if a.IsNull(i) {
		return append(dst, 0xff, 0xff, 0xff, 0xff)
	}
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = fn(dst, a, i)
	binary.BigEndian.PutUint32(dst[at:], uint32(min(len(dst)-at-4, math.MaxInt32)))
	return dst
}

// zone is a location that remembers the offset of the time it was asked for last:
// rows lie close together.
type zone struct {
	loc        *time.Location
	start, end int64 // seconds since 1970 between which offset holds
	offset     int64 // seconds east of Greenwich
}

func newZone(loc *time.Location) *zone { return &zone{loc: loc} }

// at returns the offset at a time in seconds since 1970.
func (z *zone) at(sec int64) int64 {
	if sec >= z.start && sec < z.end {
		return z.offset
	}
	t := time.Unix(sec, 0).In(z.loc)
	_, offset := t.Zone()
	z.offset = int64(offset)
	z.start, z.end = math.MinInt64, math.MaxInt64
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		z.start = start.Unix()
	}
	if !end.IsZero() {
		z.end = end.Unix()
	}
	return z.offset
}
