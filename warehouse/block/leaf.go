package block

import (
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// leafData is where a leaf's values lie in a record's Arrow arrays. It holds no
// copy, and the record must outlive it.
type leafData struct {
	spec    *leafSpec
	offsets []int32     // nested: row i has the values [offsets[i], offsets[i+1])
	nulls   arrow.Array // optional: says which rows have none; nil if all have one

	// The values, one of these by kind.
	ints   []int64           // kindTime, kindInt64
	shorts []int32           // kindInt32
	fixed  []byte            // kindUUID: 16 bytes each
	wide   *array.Decimal128 // kindDecimal
	bits   *array.Boolean    // kindBool
	text   *array.String     // kindString: the values, or the dictionary
	index  []int32           // kindString: indices into text; nil if text has the values
}

// leavesOf checks the record against the table and returns its leaves.
func leavesOf(t warehouse.Table, tab *table, rec arrow.RecordBatch) ([]leafData, error) {
	if int(rec.NumCols()) != len(tab.columns) {
		return nil, warehouse.Errorf(warehouse.Invalid, "write %s: record has %d columns, want %d", t, rec.NumCols(), len(tab.columns))
	}
	leaves := make([]leafData, len(tab.leaves))
	for i := range leaves {
		spec := &tab.leaves[i]
		name := tab.columns[spec.column].name
		if got := rec.ColumnName(spec.column); got != name {
			return nil, warehouse.Errorf(warehouse.Invalid, "write %s: column %d is called %q, want %q", t, spec.column, got, name)
		}
		leaves[i].spec = spec
		column := rec.Column(spec.column)
		if !leaves[i].bind(column) {
			return nil, warehouse.Errorf(warehouse.Invalid, "write %s: column %s is %s, want %s, without unexpected nulls or lists above %d values",
				t, name, column.DataType(), tab.arrow.Field(spec.column).Type, maxRowValues)
		}
	}
	return leaves, nil
}

// bind finds the leaf's values in its column, and reports whether they are there.
func (l *leafData) bind(column arrow.Array) bool {
	switch l.spec.shape {
	case required:
		return column.NullN() == 0 && l.bindValues(column)
	case optional:
		if column.NullN() > 0 {
			l.nulls = column
		}
		return l.bindValues(column)
	case listOf:
		list, ok := column.(*array.List)
		return ok && l.bindNested(list, list.ListValues())
	default:
		m, ok := column.(*array.Map)
		if !ok {
			return false
		}
		if l.spec.part == 0 {
			return l.bindNested(m.List, m.Keys())
		}
		return l.bindNested(m.List, m.Items())
	}
}

func (l *leafData) bindNested(list *array.List, values arrow.Array) bool {
	if list.NullN() > 0 || values.NullN() > 0 {
		return false
	}
	at, n := list.Data().Offset(), list.Len()
	if n == 0 {
		l.offsets = []int32{0}
	} else {
		l.offsets = list.Offsets()[at : at+n+1]
	}
	for i := range n {
		if d := l.offsets[i+1] - l.offsets[i]; d < 0 || d > maxRowValues {
			return false
		}
	}
	return l.offsets[0] >= 0 && int(l.offsets[n]) <= values.Len() && l.bindValues(values)
}

func (l *leafData) bindValues(values arrow.Array) (ok bool) {
	switch l.spec.kind {
	case kindTime:
		times, ok := values.(*array.Timestamp)
		if !ok || times.DataType().(*arrow.TimestampType).Unit != arrow.Microsecond {
			return false
		}
		l.ints = int64sOf(times.Values())
		return true
	case kindInt64:
		a, ok := values.(*array.Int64)
		if ok {
			l.ints = a.Int64Values()
		}
		return ok
	case kindInt32:
		a, ok := values.(*array.Int32)
		if ok {
			l.shorts = a.Int32Values()
		}
		return ok
	case kindUUID:
		a, ok := values.(*array.FixedSizeBinary)
		if !ok || a.DataType().(*arrow.FixedSizeBinaryType).ByteWidth != 16 {
			return false
		}
		if n := a.Len(); n > 0 {
			at := a.Data().Offset()
			l.fixed = a.Data().Buffers()[1].Bytes()[16*at : 16*(at+n)]
		}
		return true
	case kindDecimal:
		l.wide, ok = values.(*array.Decimal128)
		return ok && l.wide.DataType().(*arrow.Decimal128Type).Scale == 0
	case kindBool:
		l.bits, ok = values.(*array.Boolean)
		return ok
	}
	return l.bindText(values)
}

func (l *leafData) bindText(values arrow.Array) (ok bool) {
	d, isDictionary := values.(*array.Dictionary)
	if !isDictionary {
		l.text, ok = values.(*array.String)
		return ok
	}
	index, ok := d.Indices().(*array.Int32)
	if !ok {
		return false
	}
	l.index = index.Int32Values()
	l.text, ok = d.Dictionary().(*array.String)
	return ok && l.text.NullN() == 0
}

// int64sOf returns the same memory as integers.
func int64sOf[T ~int64](values []T) []int64 {
	return unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(values))), len(values))
}

// rowGroupEnd returns where the row group that begins at row from ends: after
// maxRows rows, or before the row that would exceed maxValues values of a list.
func rowGroupEnd(leaves []leafData, from, rows, maxRows, maxValues int) int {
	end := min(from+maxRows, rows)
	for i := range leaves {
		o := leaves[i].offsets
		if o == nil || int(o[end]-o[from]) <= maxValues {
			continue
		}
		for end > from+1 && int(o[end]-o[from]) > maxValues {
			end = from + (end-from+1)/2
		}
	}
	return end
}
