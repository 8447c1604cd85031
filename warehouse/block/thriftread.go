package block

import (
	"encoding/binary"
	"fmt"
	"math"
)

// thriftReader reads what thriftWriter writes, and skips what it does not know.
// The first fault is kept in err; after it every read returns zero.
type thriftReader struct {
	data []byte
	pos  int
	last int16
	err  error
}

const maxThriftDepth = 16 // of structs and lists within one another

func (r *thriftReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("byte %d: "+format, append([]any{r.pos}, args...)...)
		r.pos = len(r.data)
	}
}

func (r *thriftReader) byte() byte {
	if r.pos >= len(r.data) {
		r.fail("unexpected end")
		return 0
	}
	r.pos++
	return r.data[r.pos-1]
}

func (r *thriftReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data[r.pos:])
	if n <= 0 {
		r.fail("bad integer")
		return 0
	}
	r.pos += n
	return v
}

func (r *thriftReader) i64() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *thriftReader) i32() int32 {
	v := r.i64()
	if v < math.MinInt32 || v > math.MaxInt32 {
		r.fail("integer %d does not fit 32 bits", v)
		return 0
	}
	return int32(v)
}

// bytes returns a piece of data, not a copy.
func (r *thriftReader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.data)-r.pos) {
		r.fail("%d bytes wanted, %d left", n, len(r.data)-r.pos)
		return nil
	}
	r.pos += int(n)
	return r.data[r.pos-int(n) : r.pos]
}

// list reads a list's header and returns the number of its elements, which is
// at most the number of bytes left.
func (r *thriftReader) list() (elements thriftType, n int) {
	head := r.byte()
	count := uint64(head >> 4)
	if count == 15 {
		count = r.uvarint()
	}
	if count > uint64(len(r.data)-r.pos) {
		r.fail("list of %d elements in %d bytes", count, len(r.data)-r.pos)
		return 0, 0
	}
	return thriftType(head & 15), int(count)
}

// structList reads a list of structs: each is called once for every element.
func (r *thriftReader) structList(each func()) {
	elements, n := r.list()
	if n > 0 && elements != thriftStruct {
		r.fail("list of type %d, want structs", elements)
	}
	for i := 0; i < n && r.err == nil; i++ {
		each()
	}
}

// fields reads a struct: each is called for every field and reads its value, or
// returns false to have it skipped.
func (r *thriftReader) fields(each func(id int16, t thriftType) bool) {
	outer := r.last
	r.last = 0
	for r.err == nil {
		head := r.byte()
		t := thriftType(head & 15)
		if t == 0 {
			break
		}
		if delta := int16(head >> 4); delta != 0 {
			r.last += delta
		} else {
			r.last = int16(r.i64())
		}
		if !each(r.last, t) {
			r.skip(t, maxThriftDepth)
		}
	}
	r.last = outer
}

func (r *thriftReader) skip(t thriftType, depth int) {
	if depth == 0 {
		r.fail("nested too deeply")
		return
	}
	switch t {
	case thriftTrue, thriftFalse:
	case thriftI8:
		r.byte()
	case thriftI16, thriftI32, thriftI64:
		r.uvarint()
	case thriftDouble:
		for range 8 {
			r.byte()
		}
	case thriftBinary:
		r.bytes()
	case thriftList, thriftSet:
		elements, n := r.list()
		for i := 0; i < n && r.err == nil; i++ {
			r.skipElement(elements, depth-1)
		}
	case thriftStruct:
		r.fields(func(_ int16, t thriftType) bool {
			r.skip(t, depth-1)
			return true
		})
	default:
		r.fail("unknown type %d", t)
	}
}

// skipElement skips a list's element: unlike a field, a boolean takes a byte.
func (r *thriftReader) skipElement(t thriftType, depth int) {
	if t == thriftTrue || t == thriftFalse {
		r.byte()
		return
	}
	r.skip(t, depth)
}
