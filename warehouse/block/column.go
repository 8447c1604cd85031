package block

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// columnValues are the values of a column chunk.
type columnValues struct {
	ints    []int64  // kindTime, kindInt64, kindInt32
	fixed   []byte   // kindUUID, kindDecimal: 16 bytes each
	bits    []level  // kindBool: 0 or 1
	texts   []string // kindString: the distinct values
	index   []uint32 // kindString: of each value in texts; otherwise see readIndexed
	entries []int64  // see readIndexed
	present []level  // optional: 1 for rows that have a value
	offsets []int32  // nested: row i has the values [offsets[i], offsets[i+1])
}

// chunkReader decodes column chunks. Its fields are scratch memory.
type chunkReader struct {
	unpack     *zstd.Decoder
	body       []byte
	reps, defs []level
	lists      []listLevels // of the pages of the chunk of lists that was read last
	index      []uint32
	dictionary columnValues // entries that are not strings
	entries    uint32
	keepsIndex bool // see readIndexed

	columns []columnValues // of the row group being read
}

var chunkReaders = sync.Pool{New: func() any {
	unpack, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPageBytes))
	if err != nil {
		panic(warehouse.Bug("zstd options: %v", err))
	}
	return &chunkReader{unpack: unpack}
}}

// keepBytes is the largest scratch buffer that is kept for the next file.
const keepBytes = 32 << 20

// keepValues is the largest column whose memory is kept for the next file.
const keepValues = 1 << 20

// release returns the reader to chunkReaders.
func (c *chunkReader) release() {
	if cap(c.body) > keepBytes {
		c.body = nil
	}
	if cap(c.reps) > keepValues || len(c.lists) > maxKnownLevels {
		c.reps, c.defs, c.lists = nil, nil, nil
	}
	for i := range c.columns {
		v := &c.columns[i]
		clear(v.texts)
		v.texts = v.texts[:0]
		if max(cap(v.ints), cap(v.index), cap(v.entries), cap(v.bits), cap(v.fixed)/16, cap(v.texts), cap(v.offsets)) > keepValues {
			*v = columnValues{}
		}
	}
	chunkReaders.Put(c)
}

// maxPageBytes is the largest page, as it is before compression.
const maxPageBytes = math.MaxInt32 / 2

// pageHeader is what readers need of a page header.
type pageHeader struct {
	page, rawSize, size, values, encoding int32

	// What only [Check] verifies.
	sum        uint32 // CRC-32 of the body
	hasSum     bool
	defs, reps int32 // encodings of the levels
}

// read fills out with the values of the chunk. The chunk is that of the leaf in
// a row group with so many rows.
func (c *chunkReader) read(data []byte, ref *chunkRef, leaf *leafSpec, rows int64, out *columnValues) error {
	out.reset()
	c.dictionary.reset()
	hasDictionary := false
	slots, page := int64(0), 0
	r := thriftReader{data: data[:ref.start()+ref.size], pos: int(ref.start())}
	for r.pos < len(r.data) {
		at := r.pos
		h := readPageHeader(&r)
		if r.err != nil {
			return fmt.Errorf("page header: %w", r.err)
		}
		body, err := c.pageBody(&r, &h, ref.codec)
		if err != nil {
			return fmt.Errorf("page at byte %d: %w", at, err)
		}
		switch {
		case h.page == pageDictionary && !hasDictionary && slots == 0:
			hasDictionary = true
			err = c.readDictionary(body, &h, leaf, out)
		case h.page == pageData && int64(h.values) <= ref.slots-slots:
			slots += int64(h.values)
			err = c.readPage(page, body, &h, leaf, hasDictionary, out)
			page++
		default:
			err = fmt.Errorf("unexpected page of type %d with %d values", h.page, h.values)
		}
		if err != nil {
			return fmt.Errorf("page at byte %d: %w", at, err)
		}
	}
	if slots != ref.slots || int64(out.rows(leaf, slots)) != rows {
		return fmt.Errorf("%d values in %d rows, want %d in %d", slots, out.rows(leaf, slots), ref.slots, rows)
	}
	if leaf.nested() {
		out.offsets = append(out.offsets, int32(out.count(leaf)))
	}
	return nil
}

// readIndexed is read for a required column of integers whose dictionary is of
// use to the caller: out has either the ints, or the entries of the dictionary
// and the index of each value in them.
func (c *chunkReader) readIndexed(data []byte, ref *chunkRef, leaf *leafSpec, rows int64, out *columnValues) error {
	c.keepsIndex = true
	defer func() { c.keepsIndex = false }() // whatever read does: readers are reused
	if err := c.read(data, ref, leaf, rows, out); err != nil {
		return err
	}
	if c.keepsIndex && len(out.index) > 0 {
		out.entries, c.dictionary.ints = c.dictionary.ints, out.entries
	}
	return nil
}

// expand replaces the indices that were kept by their values: a page without
// indices follows.
func (c *chunkReader) expand(out *columnValues) {
	for _, i := range out.index {
		out.ints = append(out.ints, c.dictionary.ints[i])
	}
	out.index, c.keepsIndex = out.index[:0], false
}

func (v *columnValues) reset() {
	v.ints, v.fixed, v.bits, v.entries = v.ints[:0], v.fixed[:0], v.bits[:0], v.entries[:0]
	v.index, v.present, v.offsets = v.index[:0], v.present[:0], v.offsets[:0]
	clear(v.texts)
	v.texts = v.texts[:0]
}

// rows returns the number of rows whose slots have been read.
func (v *columnValues) rows(leaf *leafSpec, slots int64) int {
	if leaf.nested() {
		return len(v.offsets)
	}
	return int(slots)
}

// count returns the number of values read.
func (v *columnValues) count(leaf *leafSpec) int {
	switch leaf.kind {
	case kindString:
		return len(v.index)
	case kindUUID, kindDecimal:
		return len(v.fixed) / 16
	case kindBool:
		return len(v.bits)
	}
	return len(v.ints)
}

func readPageHeader(r *thriftReader) pageHeader {
	h := pageHeader{page: -1, rawSize: -1, size: -1, values: -1, encoding: -1, defs: -1, reps: -1}
	r.last = 0
	r.fields(func(id int16, t thriftType) bool {
		switch {
		case id == 1 && t == thriftI32:
			h.page = r.i32()
		case id == 2 && t == thriftI32:
			h.rawSize = r.i32()
		case id == 3 && t == thriftI32:
			h.size = r.i32()
		case id == 4 && t == thriftI32:
			h.sum, h.hasSum = uint32(r.i32()), true
		case (id == 5 || id == 7) && t == thriftStruct:
			r.fields(func(id int16, t thriftType) bool {
				switch {
				case id == 1 && t == thriftI32:
					h.values = r.i32()
				case id == 2 && t == thriftI32:
					h.encoding = r.i32()
				case id == 3 && t == thriftI32:
					h.defs = r.i32()
				case id == 4 && t == thriftI32:
					h.reps = r.i32()
				default:
					return false
				}
				return true
			})
		default:
			return false
		}
		return true
	})
	if r.err == nil && (h.rawSize < 0 || h.rawSize > maxPageBytes || h.size < 0 || int(h.size) > len(r.data)-r.pos || h.values < 0) {
		r.fail("page of %d values in %d bytes, %d unpacked", h.values, h.size, h.rawSize)
	}
	return h
}

// pageBody returns the unpacked body, which is valid until the next call.
func (c *chunkReader) pageBody(r *thriftReader, h *pageHeader, codec int32) ([]byte, error) {
	body := r.data[r.pos : r.pos+int(h.size)]
	r.pos += int(h.size)
	if codec == codecZstd {
		var frame zstd.Header
		if err := frame.Decode(body); err != nil {
			return nil, err
		}
		if !frame.HasFCS || frame.FrameContentSize != uint64(h.rawSize) {
			return nil, fmt.Errorf("zstd frame of %d bytes, want %d", frame.FrameContentSize, h.rawSize)
		}
		var err error
		if c.body, err = c.unpack.DecodeAll(body, c.body[:0]); err != nil {
			return nil, err
		}
		body = c.body
	}
	if len(body) != int(h.rawSize) {
		return nil, fmt.Errorf("body has %d bytes, want %d", len(body), h.rawSize)
	}
	return body, nil
}

// readDictionary reads the dictionary page, the first of a chunk. Strings go to
// out at once.
func (c *chunkReader) readDictionary(body []byte, h *pageHeader, leaf *leafSpec, out *columnValues) error {
	if h.encoding != encodingPlain || leaf.kind == kindBool {
		return fmt.Errorf("dictionary in encoding %d", h.encoding)
	}
	c.entries = uint32(h.values)
	if leaf.kind == kindString {
		err := out.appendPlainText(body, int(h.values))
		out.index = out.index[:0]
		return err
	}
	return c.dictionary.appendPlain(body, int(h.values), leaf.kind)
}

// readPage appends the values of a data page, the page-th of the chunk, to out.
func (c *chunkReader) readPage(page int, body []byte, h *pageHeader, leaf *leafSpec, hasDictionary bool, out *columnValues) error {
	values, body, err := c.readLevels(page, body, int(h.values), leaf, out)
	if err != nil {
		return err
	}
	switch {
	case h.encoding == encodingPlain:
		if c.keepsIndex {
			c.expand(out)
		}
		return out.appendPlain(body, values, leaf.kind)
	case h.encoding == encodingDictionary && hasDictionary:
		return c.appendIndexed(body, values, leaf.kind, out)
	}
	return fmt.Errorf("encoding %d", h.encoding)
}

// readLevels reads the levels of a page's slots and returns the number of
// values, and the body after the levels.
func (c *chunkReader) readLevels(page int, body []byte, slots int, leaf *leafSpec, out *columnValues) (int, []byte, error) {
	var err error
	switch leaf.shape {
	case required:
		return slots, body, nil
	case optional:
		before := len(out.present)
		if out.present, body, err = appendLevelsOf(out.present, body, slots); err != nil {
			return 0, nil, err
		}
		return countOnes(out.present[before:]), body, nil
	}
	return c.readLists(page, body, slots, leaf, out)
}

func countOnes(levels []level) int {
	n := 0
	for _, l := range levels {
		n += int(l)
	}
	return n
}

// appendPlain appends n values in PLAIN encoding, which fill the body.
func (v *columnValues) appendPlain(body []byte, n int, k kind) error {
	width := [...]int{kindTime: 8, kindInt64: 8, kindInt32: 4, kindUUID: 16, kindDecimal: 16, kindString: 0, kindBool: 0}[k]
	if width > 0 && len(body) != width*n {
		return fmt.Errorf("%d values of %d bytes in %d bytes", n, width, len(body))
	}
	switch k {
	case kindTime, kindInt64:
		for ; len(body) >= 8; body = body[8:] {
			v.ints = append(v.ints, int64(binary.LittleEndian.Uint64(body)))
		}
	case kindInt32:
		for ; len(body) >= 4; body = body[4:] {
			v.ints = append(v.ints, int64(int32(binary.LittleEndian.Uint32(body))))
		}
	case kindUUID, kindDecimal:
		v.fixed = append(v.fixed, body...)
	case kindBool:
		if len(body) != (n+7)/8 {
			return fmt.Errorf("%d bits in %d bytes", n, len(body))
		}
		v.bits = appendBitsOf(v.bits, body, n)
	case kindString:
		return v.appendPlainText(body, n)
	}
	return nil
}

func (v *columnValues) appendPlainText(body []byte, n int) error {
	text := string(body) // one allocation for all; values are pieces of it
	at := 0
	for range n {
		if len(text)-at < 4 {
			return errShort
		}
		size := binary.LittleEndian.Uint32(body[at:])
		at += 4
		if uint64(size) > uint64(len(text)-at) {
			return errShort
		}
		v.index = append(v.index, uint32(len(v.texts)))
		v.texts = append(v.texts, text[at:at+int(size)])
		at += int(size)
	}
	if at != len(text) {
		return fmt.Errorf("%d bytes after %d strings", len(text)-at, n)
	}
	return nil
}

// appendIndexed appends n values of the dictionary, whose indices fill the body.
func (c *chunkReader) appendIndexed(body []byte, n int, k kind, out *columnValues) error {
	if n == 0 {
		return nil
	}
	if len(body) == 0 {
		return errShort
	}
	if k == kindString || c.keepsIndex {
		before := len(out.index)
		var err error
		if out.index, err = appendHybridOf(out.index, body[1:], n, int(body[0])); err != nil {
			return err
		}
		return c.checkIndices(out.index[before:])
	}
	var err error
	if c.index, err = appendHybridOf(c.index[:0], body[1:], n, int(body[0])); err != nil {
		return err
	}
	if err := c.checkIndices(c.index); err != nil {
		return err
	}
	d := &c.dictionary
	switch k {
	case kindUUID, kindDecimal:
		for _, i := range c.index {
			out.fixed = append(out.fixed, d.fixed[16*i:16*i+16]...)
		}
	default:
		from := len(out.ints)
		out.ints = slices.Grow(out.ints, len(c.index))[:from+len(c.index)]
		to := out.ints[from:][:len(c.index)]
		for i, entry := range c.index {
			to[i] = d.ints[entry]
		}
	}
	return nil
}

func (c *chunkReader) checkIndices(index []uint32) error {
	var a, b uint32 // two chains, which a processor follows at once
	for ; len(index) >= 2; index = index[2:] {
		a, b = max(a, index[0]), max(b, index[1])
	}
	if len(index) > 0 {
		a = max(a, index[0])
	}
	if most := max(a, b); most >= c.entries {
		return fmt.Errorf("index %d into a dictionary of %d", most, c.entries)
	}
	return nil
}
