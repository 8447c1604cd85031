package profile

// wireType is the low three bits of a protobuf tag.
type wireType uint8

// The wire types of proto3. Groups (3 and 4) are refused: pprof has none.
const (
	wireVarint  wireType = 0
	wireFixed64 wireType = 1
	wireBytes   wireType = 2
	wireFixed32 wireType = 5
)

// fields walks the fields of one protobuf message in place.
//
//	f := fields{b: body[:end], pos: start}
//	for f.next() { switch f.num { … } }
//	if f.bad != "" { … }
type fields struct {
	b   []byte // the body, up to the end of the message
	pos int    // of the next field

	num        uint64 // of the current field
	typ        wireType
	value      uint64 // of a varint field
	start, end int    // of a bytes field, in b
	bad        string // why the walk ended early; empty at the end of the message
}

// next moves to the next field. It returns false at the end and at bytes that
// are no field.
func (f *fields) next() bool {
	b, i := f.b, f.pos
	if i >= len(b) {
		return false
	}
	tag := uint64(b[i])
	i++
	if tag >= 0x80 {
		if tag, i = uvarint(b, i-1); i < 0 {
			return f.fail("tag is cut short")
		}
	}
	f.num, f.typ = tag>>3, wireType(tag&7)
	if f.num == 0 || f.num > 1<<29-1 {
		return f.fail("field number is out of range")
	}
	switch f.typ {
	case wireVarint:
		if f.value, i = uvarint(b, i); i < 0 {
			return f.fail("varint is cut short or too long")
		}
	case wireBytes:
		var n uint64
		if n, i = uvarint(b, i); i < 0 || n > uint64(len(b)-i) {
			return f.fail("field is longer than its message")
		}
		f.start, f.end = i, i+int(n)
		i = f.end
	default:
		return f.skip(i)
	}
	f.pos = i
	return true
}

// skip passes over a field of fixed size at position i.
func (f *fields) skip(i int) bool {
	switch f.typ {
	case wireFixed64:
		i += 8
	case wireFixed32:
		i += 4
	default:
		return f.fail("wire type is unknown")
	}
	if i > len(f.b) {
		return f.fail("field is longer than its message")
	}
	f.pos = i
	return true
}

func (f *fields) fail(why string) bool {
	f.bad = why
	return false
}

// varint returns the value of the current field, which must be a varint.
func (f *fields) varint() uint64 {
	if f.typ != wireVarint {
		f.mismatch()
		return 0
	}
	return f.value
}

// message reports whether the current field is a string or message, as it must be.
func (f *fields) message() bool {
	if f.typ != wireBytes {
		f.mismatch()
		return false
	}
	return true
}

// mismatch ends the walk: a known field has a type that is not its own.
func (f *fields) mismatch() {
	f.bad = "field has a wrong wire type"
	f.pos = len(f.b)
}

// nested returns the walk over the current field's message.
func (f *fields) nested() fields { return fields{b: f.b[:f.end], pos: f.start} }

// uvarint reads the varint at b[i:] and returns it with the position behind it,
// which is negative if the varint is cut short or does not fit 64 bits. Nearly
// all varints of a profile have one or two bytes.
func uvarint(b []byte, i int) (uint64, int) {
	if i < len(b) {
		if c := b[i]; c < 0x80 {
			return uint64(c), i + 1
		} else if i+1 < len(b) && b[i+1] < 0x80 {
			return uint64(c&0x7f) | uint64(b[i+1])<<7, i + 2
		}
	}
	return longUvarint(b, i)
}

//go:noinline
func longUvarint(b []byte, i int) (uint64, int) {
	var v uint64
	for shift := uint(0); i < len(b); shift += 7 {
		c := b[i]
		i++
		if shift == 63 && c > 1 {
			return 0, -1
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, i
		}
	}
	return 0, -1
}

// maxNumber is the highest field number that numbers reads.
const maxNumber = 6

// numbers reads the varint fields with numbers 1 to maxNumber that a message begins
// with, into v[1:], and returns the position of the first other field: the end of
// the message for most rows of a profile. It is negative at bytes that are no field.
//
// It is the short way to read a row. Who meets something else walks all fields.
func numbers(b []byte, v *[8]uint64) int {
	for i := 0; i < len(b); {
		tag := b[i]
		if tag&7 != uint8(wireVarint) || tag < 1<<3 || tag >= (maxNumber+1)<<3 {
			return i
		}
		i++
		var value uint64
		if i < len(b) && b[i] < 0x80 {
			value = uint64(b[i])
			i++
		} else if i+1 < len(b) && b[i+1] < 0x80 {
			value = uint64(b[i]&0x7f) | uint64(b[i+1])<<7
			i += 2
		} else if value, i = longUvarint(b, i); i < 0 {
			return -1
		}
		v[tag>>3] = value
	}
	return len(b)
}
