package block

import "encoding/binary"

// thriftWriter appends structs in Thrift's compact protocol, in which Parquet
// stores its page headers, page indexes and footer:
//
//	field   = (id - last id) << 4 | type, or type ‖ zigzag(id)   value
//	integer = zigzag varint
//	binary  = uvarint(length) ‖ bytes
//	list    = count << 4 | type, or 0xf0 | type ‖ uvarint(count)   elements
//	struct  = fields ‖ 00
//
// Why: the reflection-based encoder of the Parquet library costs more than all
// of a small section's rows.
type thriftWriter struct {
	buf  []byte
	last int8 // id of the field written last in the current struct
}

type thriftType byte

const (
	thriftTrue   thriftType = 1
	thriftFalse  thriftType = 2
	thriftI8     thriftType = 3
	thriftI16    thriftType = 4
	thriftI32    thriftType = 5
	thriftI64    thriftType = 6
	thriftDouble thriftType = 7
	thriftBinary thriftType = 8
	thriftList   thriftType = 9
	thriftSet    thriftType = 10
	thriftStruct thriftType = 12
)

func (w *thriftWriter) field(id int8, t thriftType) {
	if d := id - w.last; d > 0 && d < 16 {
		w.buf = append(w.buf, byte(d)<<4|byte(t))
	} else {
		w.buf = binary.AppendVarint(append(w.buf, byte(t)), int64(id))
	}
	w.last = id
}

func (w *thriftWriter) i16(id int8, v int16) {
	w.field(id, thriftI16)
	w.buf = binary.AppendVarint(w.buf, int64(v))
}

func (w *thriftWriter) i32(id int8, v int32) {
	w.field(id, thriftI32)
	w.buf = binary.AppendVarint(w.buf, int64(v))
}

func (w *thriftWriter) i64(id int8, v int64) {
	w.field(id, thriftI64)
	w.buf = binary.AppendVarint(w.buf, v)
}

func (w *thriftWriter) bool(id int8, v bool) {
	if v {
		w.field(id, thriftTrue)
	} else {
		w.field(id, thriftFalse)
	}
}

func (w *thriftWriter) binary(id int8, v []byte) {
	w.field(id, thriftBinary)
	w.bytes(v)
}

func (w *thriftWriter) string(id int8, v string) {
	w.field(id, thriftBinary)
	w.text(v)
}

// varint appends a list's integer element.
func (w *thriftWriter) varint(v int64) { w.buf = binary.AppendVarint(w.buf, v) }

// bytes appends a list's binary element.
func (w *thriftWriter) bytes(v []byte) {
	w.buf = append(binary.AppendUvarint(w.buf, uint64(len(v))), v...)
}

// text appends a list's string element.
func (w *thriftWriter) text(v string) {
	w.buf = append(binary.AppendUvarint(w.buf, uint64(len(v))), v...)
}

// list begins a list of n elements, which the caller appends.
func (w *thriftWriter) list(id int8, t thriftType, n int) {
	w.field(id, thriftList)
	if n < 15 {
		w.buf = append(w.buf, byte(n)<<4|byte(t))
		return
	}
	w.buf = binary.AppendUvarint(append(w.buf, 0xf0|byte(t)), uint64(n))
}

// begin begins a struct that is a field; its result goes to end.
func (w *thriftWriter) begin(id int8) int8 {
	w.field(id, thriftStruct)
	return w.element()
}

// element begins a struct that is a list's element; its result goes to end.
func (w *thriftWriter) element() int8 {
	outer := w.last
	w.last = 0
	return outer
}

func (w *thriftWriter) end(outer int8) {
	w.buf = append(w.buf, 0)
	w.last = outer
}
