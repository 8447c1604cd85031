package warehouse

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Encoder appends the primitive forms from which Stackhouse's own binary
// descriptions (segments, parts, commands, snapshots of the metastore) are
// built. Every value has exactly one form, so that equal descriptions are equal
// bytes:
//
//	uvarint  base-128, low group first, never longer than needed
//	varint   zigzag, then uvarint
//	bool     one byte, 0 or 1
//	fixed32  4 bytes, little endian
//	string   00 ‖ uvarint(length) ‖ bytes when the message has not had it yet;
//	         uvarint(k) when it is the message's k-th distinct string, k ≥ 1
//
// Names of tenants, services and profile types repeat in every description:
// after the first time each costs a byte or two.
//
// The zero Encoder is ready to use. It is not safe for concurrent use.
type Encoder struct {
	buf   []byte
	names names
}

// NewEncoder returns an encoder that appends to dst, which it owns from now on.
func NewEncoder(dst []byte) *Encoder { return &Encoder{buf: dst} }

// Bytes returns what was given to [NewEncoder] and everything appended since.
func (e *Encoder) Bytes() []byte { return e.buf }

// Byte appends one byte.
func (e *Encoder) Byte(b byte) { e.buf = append(e.buf, b) }

// Bool appends one byte, 0 or 1.
func (e *Encoder) Bool(b bool) {
	if b {
		e.Byte(1)
		return
	}
	e.Byte(0)
}

// Raw appends bytes whose length the reader knows.
func (e *Encoder) Raw(b []byte) { e.buf = append(e.buf, b...) }

// Uvarint appends an unsigned number.
func (e *Encoder) Uvarint(v uint64) { e.buf = binary.AppendUvarint(e.buf, v) }

// Varint appends a signed number.
func (e *Encoder) Varint(v int64) { e.buf = binary.AppendVarint(e.buf, v) }

// Size appends a number that is never negative: a count, an offset, a length.
func (e *Encoder) Size(v int64) { e.Uvarint(uint64(v)) }

// Fixed32 appends four bytes.
func (e *Encoder) Fixed32(v uint32) { e.buf = binary.LittleEndian.AppendUint32(e.buf, v) }

// String appends a string, or its number if the message had it before.
func (e *Encoder) String(s string) {
	if i, ok := e.names.find(s); ok {
		e.Uvarint(uint64(i) + 1)
		return
	}
	e.names.add(s)
	e.Byte(0)
	e.Uvarint(uint64(len(s)))
	e.buf = append(e.buf, s...)
}

// Decoder reads what an [Encoder] wrote. It trusts nothing: every length is
// checked against the bytes that are left before memory is taken for it, and a
// form that an Encoder would not have written is an error.
//
// After the first error every method returns a zero value; the error, of kind
// Corrupt, is that of [Decoder.Err] and [Decoder.Finish]. Strings are copied
// out of the data, once for each distinct one.
type Decoder struct {
	what  string
	data  []byte
	off   int
	names names
	err   error
}

// NewDecoder returns a decoder of data; what names it in errors.
func NewDecoder(what string, data []byte) *Decoder { return &Decoder{what: what, data: data} }

// Err returns the first error.
func (d *Decoder) Err() error { return d.err }

// Left returns the number of bytes that were not read yet; 0 after an error.
func (d *Decoder) Left() int { return len(d.data) - d.off }

// Finish returns the first error; bytes that were not read are one.
func (d *Decoder) Finish() error {
	if d.err == nil && d.off != len(d.data) {
		d.Failf("%d bytes after the end", d.Left())
	}
	return d.err
}

// Failf records an error at the current offset, unless there is one already.
func (d *Decoder) Failf(format string, args ...any) {
	if d.err == nil {
		d.err = Errorf(Corrupt, "decode %s: offset %d: %s", d.what, d.off, fmt.Sprintf(format, args...))
		d.off = len(d.data)
	}
}

// Version reads a version byte and refuses 0 and what is newer than newest.
func (d *Decoder) Version(newest byte) byte {
	v := d.Byte()
	if d.err == nil && (v == 0 || v > newest) {
		d.Failf("format version is %d, this build reads 1 to %d", v, newest)
		return 0
	}
	return v
}

// Byte reads one byte.
func (d *Decoder) Byte() byte {
	if d.off >= len(d.data) {
		d.Failf("unexpected end")
		return 0
	}
	b := d.data[d.off]
	d.off++
	return b
}

// Bool reads one byte, 0 or 1.
func (d *Decoder) Bool() bool {
	b := d.Byte()
	if b > 1 {
		d.Failf("byte %d is not a bool", b)
	}
	return b == 1
}

// Raw reads n bytes. They are part of the data, not a copy.
func (d *Decoder) Raw(n int) []byte {
	if d.err != nil || n > d.Left() {
		d.Failf("want %d bytes, %d are left", n, d.Left())
		return nil
	}
	b := d.data[d.off : d.off+n : d.off+n]
	d.off += n
	return b
}

// Rest returns the bytes that are left. They are part of the data, not a copy.
func (d *Decoder) Rest() []byte { return d.Raw(d.Left()) }

// Uvarint reads an unsigned number.
func (d *Decoder) Uvarint() uint64 {
	v, n := binary.Uvarint(d.data[d.off:])
	switch {
	case d.err != nil:
		return 0
	case n <= 0:
		d.Failf("number is cut off or over 64 bits")
		return 0
	case n > 1 && d.data[d.off+n-1] == 0:
		d.Failf("number is longer than needed")
		return 0
	}
	d.off += n
	return v
}

// UvarintMax reads an unsigned number of at most limit.
func (d *Decoder) UvarintMax(limit uint64) uint64 {
	v := d.Uvarint()
	if v > limit {
		d.Failf("number %d is over %d", v, limit)
		return 0
	}
	return v
}

// Varint reads a signed number.
func (d *Decoder) Varint() int64 {
	v := d.Uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// Size reads a number that is not negative.
func (d *Decoder) Size() int64 { return int64(d.UvarintMax(math.MaxInt64)) }

// Count reads the number of elements that follow, each of which takes at least
// minBytes (≥ 1): more than can be there are refused before memory is taken.
func (d *Decoder) Count(minBytes int) int {
	n := d.Uvarint()
	if left := uint64(d.Left()); n > left/uint64(minBytes) {
		d.Failf("count %d cannot fit into %d bytes", n, left)
		return 0
	}
	return int(n)
}

// Fixed32 reads four bytes.
func (d *Decoder) Fixed32() uint32 {
	b := d.Raw(4)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

// String reads a string. Equal strings of a message share their memory.
func (d *Decoder) String() string {
	ref := d.Uvarint()
	if d.err != nil {
		return ""
	}
	if ref > 0 {
		if ref > uint64(len(d.names.list)) {
			d.Failf("string %d of %d", ref, len(d.names.list))
			return ""
		}
		return d.names.list[ref-1]
	}
	s := string(d.Raw(d.Count(1)))
	if d.err != nil {
		return ""
	}
	if _, again := d.names.find(s); again {
		d.Failf("string %q is written out twice", s)
		return ""
	}
	d.names.add(s)
	return s
}

// names numbers the distinct strings of a message in order of first use.
type names struct {
	list  []string
	index map[string]int // of all of list, once that is too long to search
}

const maxSearchedNames = 12

func (n *names) find(s string) (int, bool) {
	if n.index != nil {
		i, ok := n.index[s]
		return i, ok
	}
	for i := range n.list {
		if n.list[i] == s {
			return i, true
		}
	}
	return 0, false
}

func (n *names) add(s string) {
	n.list = append(n.list, s)
	switch {
	case n.index != nil:
		n.index[s] = len(n.list) - 1
	case len(n.list) > maxSearchedNames:
		n.index = make(map[string]int, 4*maxSearchedNames)
		for i, s := range n.list {
			n.index[s] = i
		}
	}
}
