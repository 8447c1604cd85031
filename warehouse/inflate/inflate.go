package inflate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// ErrLimit is returned when there are more bytes than allowed.
var ErrLimit = errors.New("inflate: more bytes than the limit")

// CorruptError is returned for a stream that is not what it should be.
type CorruptError struct {
	Offset int    // how many bytes of the stream had been read, about
	What   string // what is wrong
}

func (e *CorruptError) Error() string { return fmt.Sprintf("byte %d: %s", e.Offset, e.What) }

// A Decoder unpacks one stream after the other. Its zero value is ready to use; it
// holds 16 KiB of tables. It may be used by one goroutine at a time.
type Decoder struct {
	src  []byte
	pos  int    // of the next byte of src to load
	bits uint64 // loaded and not taken, the next one lowest; what is above n is not valid
	n    uint   // how many bits are valid

	out   []byte // the room, all of it
	o     int    // how much of it is filled
	start int    // where the member began: nothing refers to what is before
	limit int    // the most that o may be

	lit    [litEntries]entry
	dist   [distEntries]entry
	lens   [1 << lensWidth]entry
	sizes  [maxLit + maxDist]uint8
	sorted [maxLit]uint16
	fixed  bool // lit and dist are those of RFC 1951, 3.2.6
}

// slack is the room behind the output that lets the fast loop run to its end: the
// longest match, rounded up to words, and literals before it.
const slack = 258 + 8 + 6

const (
	headerSize  = 10 // of a gzip member, without its optional fields
	trailerSize = 8  // CRC-32 and size
)

// Flags of a gzip header: RFC 1952, 2.3.1.
const (
	flagHeaderCRC = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4
)

// Gzip appends what the members of a gzip stream hold to dst and returns it.
//
// It returns ErrLimit if that is more than limit bytes, io.ErrUnexpectedEOF if the
// stream ends within a member, or a CorruptError; then dst is returned as it was.
//
// The room is taken at once, as much as the trailer says, if that is possible and
// allowed; a caller who gives room for Room(src, limit) bytes gets it back.
func (d *Decoder) Gzip(dst, src []byte, limit int) ([]byte, error) {
	out, err := d.gzip(dst, src, limit)
	d.src, d.out = nil, nil
	if err != nil {
		return dst, err
	}
	return out, nil
}

// Room returns how many bytes Gzip likes to have behind dst: what src says it holds,
// not more than limit nor than deflate can pack in its length, and some more that
// it works with.
func Room(src []byte, limit int) int {
	const maxRatio = 1032 // of deflate: 258 bytes for two bits
	if len(src) < headerSize+trailerSize {
		return slack
	}
	claimed := int(binary.LittleEndian.Uint32(src[len(src)-4:]))
	return min(claimed, limit, maxRatio*len(src)) + slack
}

func (d *Decoder) gzip(dst, src []byte, limit int) ([]byte, error) {
	d.src, d.pos = src, 0
	dst = slices.Grow(dst, Room(src, limit))
	d.out, d.o, d.limit = dst[:cap(dst)], len(dst), len(dst)+limit
	for first := true; first || d.pos < len(src); first = false {
		if err := d.header(); err != nil {
			return nil, err
		}
		d.start = d.o
		if err := d.deflate(); err != nil {
			return nil, err
		}
		if len(src)-d.pos < trailerSize {
			return nil, io.ErrUnexpectedEOF
		}
		sum, size := binary.LittleEndian.Uint32(src[d.pos:]), binary.LittleEndian.Uint32(src[d.pos+4:])
		switch member := d.out[d.start:d.o]; {
		case sum != crc32.ChecksumIEEE(member):
			return nil, d.corrupt("wrong checksum")
		case size != uint32(len(member)):
			return nil, d.corrupt("wrong size")
		}
		d.pos += trailerSize
	}
	return d.out[:d.o], nil
}

func (d *Decoder) corrupt(what string) error { return &CorruptError{d.pos - int(d.n/8), what} }

// header skips the header of a member.
func (d *Decoder) header() error {
	begin := d.pos
	h, ok := d.take(headerSize)
	switch {
	case len(h) > 0 && h[0] != 0x1f, len(h) > 1 && h[1] != 0x8b:
		return d.corrupt("no gzip header")
	case !ok:
		return io.ErrUnexpectedEOF
	case h[2] != 8:
		return d.corrupt("compressed by another method than deflate")
	}
	flags := h[3]
	if flags&flagExtra != 0 {
		size, ok := d.take(2)
		if ok {
			_, ok = d.take(int(binary.LittleEndian.Uint16(size)))
		}
		if !ok {
			return io.ErrUnexpectedEOF
		}
	}
	for _, text := range []byte{flagName, flagComment} {
		if flags&text == 0 {
			continue
		}
		end := slices.Index(d.src[d.pos:], 0)
		if end < 0 {
			return io.ErrUnexpectedEOF
		}
		d.pos += end + 1
	}
	if flags&flagHeaderCRC != 0 {
		want := uint16(crc32.ChecksumIEEE(d.src[begin:d.pos]))
		sum, ok := d.take(2)
		switch {
		case !ok:
			return io.ErrUnexpectedEOF
		case binary.LittleEndian.Uint16(sum) != want:
			return d.corrupt("wrong checksum of the header")
		}
	}
	return nil
}

// take returns the next n bytes, fewer and false if the stream ends before. There
// must be no bits loaded.
func (d *Decoder) take(n int) ([]byte, bool) {
	rest := d.src[d.pos:]
	if len(rest) < n {
		return rest, false
	}
	d.pos += n
	return rest[:n], true
}

// deflate unpacks blocks up to the last one, and leaves pos behind it.
func (d *Decoder) deflate() error {
	d.bits, d.n = 0, 0
	for {
		if !d.need(3) {
			return io.ErrUnexpectedEOF
		}
		last, kind := d.bits&1 == 1, d.bits>>1&3
		d.drop(3)
		var err error
		switch kind {
		case 0:
			err = d.stored()
		case 1:
			d.fixedCodes()
			err = d.block()
		case 2:
			if err = d.dynamicCodes(); err == nil {
				err = d.block()
			}
		default:
			err = d.corrupt("block of an unknown kind")
		}
		if err != nil {
			return err
		}
		if last {
			d.unload()
			return nil
		}
	}
}

// need loads bits until there are k, at most 56. It is false if the stream ends before.
func (d *Decoder) need(k uint) bool {
	for d.n < k {
		if d.pos >= len(d.src) {
			return false
		}
		d.bits |= uint64(d.src[d.pos]) << d.n
		d.pos++
		d.n += 8
	}
	return true
}

func (d *Decoder) drop(k uint) {
	d.bits >>= k
	d.n -= k
}

// unload gives back whole bytes and drops the bits of the byte that was begun.
func (d *Decoder) unload() {
	d.pos -= int(d.n / 8)
	d.bits, d.n = 0, 0
}

// stored copies a block that is not compressed: RFC 1951, 3.2.4.
func (d *Decoder) stored() error {
	d.unload()
	h, ok := d.take(4)
	if !ok {
		return io.ErrUnexpectedEOF
	}
	n := binary.LittleEndian.Uint16(h)
	if n != ^binary.LittleEndian.Uint16(h[2:]) {
		return d.corrupt("stored block with a wrong length")
	}
	data, ok := d.take(int(n))
	if !ok {
		return io.ErrUnexpectedEOF
	}
	if err := d.room(len(data)); err != nil {
		return err
	}
	d.o += copy(d.out[d.o:], data)
	return nil
}

// room makes sure that n more bytes are allowed and there is space for them.
func (d *Decoder) room(n int) error {
	if n > d.limit-d.o {
		return ErrLimit
	}
	if n > len(d.out)-d.o {
		grown := slices.Grow(d.out[:d.o], max(n, min(d.o-d.start, d.limit-d.o))+slack)
		d.out = grown[:cap(grown)]
	}
	return nil
}

// fixedCodes builds the tables of RFC 1951, 3.2.6.
func (d *Decoder) fixedCodes() {
	if d.fixed {
		return
	}
	lens := d.sizes[:maxLit+maxDist]
	for i := range lens {
		switch {
		case i < 144:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		case i < 280:
			lens[i] = 7
		case i < maxLit:
			lens[i] = 8
		default:
			lens[i] = 5
		}
	}
	build(d.lit[:], litWidth, lens[:maxLit], litSymbols[:], &d.sorted)
	build(d.dist[:], distWidth, lens[maxLit:], distSymbols[:], &d.sorted)
	pair(&d.lit)
	d.fixed = true
}

// lensOrder is the order in which the lengths of the codes of code lengths come:
// RFC 1951, 3.2.7.
var lensOrder = [maxLens]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// dynamicCodes reads the codes of a block, and builds their tables: RFC 1951, 3.2.7.
func (d *Decoder) dynamicCodes() error {
	d.fixed = false
	if !d.need(14) {
		return io.ErrUnexpectedEOF
	}
	nlit, ndist, nlens := int(d.bits&31)+257, int(d.bits>>5&31)+1, int(d.bits>>10&15)+4
	d.drop(14)
	if nlit > 257+len(lengthBase) || ndist > len(distBase) {
		return d.corrupt("block with too many codes")
	}
	var lens [maxLens]uint8
	for _, sym := range lensOrder[:nlens] {
		if !d.need(3) {
			return io.ErrUnexpectedEOF
		}
		lens[sym] = uint8(d.bits & 7)
		d.drop(3)
	}
	if !build(d.lens[:], lensWidth, lens[:], lensSymbols[:], &d.sorted) {
		return d.corrupt("lengths of codes that are no code")
	}
	sizes := d.sizes[:nlit+ndist]
	for i := 0; i < len(sizes); {
		d.need(lensWidth + 7) // a code and its extra bits, or what there is: zeros follow
		e := d.lens[d.bits&(1<<lensWidth-1)]
		takes, sym := uint(e&takesMask), e>>valueShift
		switch {
		case e&isSpecial != 0:
			if d.n == 0 {
				return io.ErrUnexpectedEOF
			}
			return d.corrupt("length of a code that is no code")
		case takes > d.n:
			return io.ErrUnexpectedEOF
		}
		d.drop(takes)
		if sym < 16 {
			sizes[i] = uint8(sym)
			i++
			continue
		}
		var fill uint8
		var times int
		var extra uint
		switch sym {
		case 16:
			if i == 0 {
				return d.corrupt("repeats the length of a code before the first")
			}
			fill, times, extra = sizes[i-1], 3, 2
		case 17:
			times, extra = 3, 3
		default:
			times, extra = 11, 7
		}
		if d.n < extra {
			return io.ErrUnexpectedEOF
		}
		times += int(d.bits & (1<<extra - 1))
		d.drop(extra)
		if times > len(sizes)-i {
			return d.corrupt("more lengths of codes than codes")
		}
		for range times {
			sizes[i] = fill
			i++
		}
	}
	if !build(d.lit[:], litWidth, sizes[:nlit], litSymbols[:], &d.sorted) ||
		!build(d.dist[:], distWidth, sizes[nlit:], distSymbols[:], &d.sorted) {
		return d.corrupt("lengths that are no code")
	}
	pair(&d.lit)
	return nil
}
