package block

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Sizes of pages.
const (
	pageValues    = 128 << 10 // a page ends at the row in which it reaches this many values …
	loosePage     = 16 << 10  // … or this many, in parts that are merged again
	pageTextBytes = 1 << 20   // … or, if it has plain strings, this many bytes
	minPackBytes  = 64        // chunks with fewer bytes are not compressed, if they are alone in their column
)

// Numbers of the Parquet format.
const (
	codecNone = 0
	codecZstd = 6

	encodingPlain      = 0
	encodingRLE        = 3
	encodingDictionary = 8

	pageData       = 0
	pageDictionary = 2
)

// pageMeta is what the page index tells about a data page.
type pageMeta struct {
	bounds
	offset   int64 // from the file's start
	size     int32 // with its header
	firstRow int64 // in the row group
	slots    int   // values, NULLs and empty lists
	nulls    int   // NULLs and empty lists
	rawEnd   int   // end of its body in chunkWriter.raw
}

// chunkMeta is what the footer tells about a column chunk.
type chunkMeta struct {
	bounds
	leaf       *leafSpec
	codec      int32
	dictionary bool // values are indices, and the first page is the dictionary
	dictOffset int64
	dataOffset int64
	slots      int64
	nulls      int64
	rawSize    int64 // with page headers
	size       int64 // with page headers
	pages      []pageMeta
}

// chunkWriter encodes one column chunk after another.
//
// Ownership: all fields are scratch memory of the chunk being written; nothing
// that write returns refers to it.
type chunkWriter struct {
	leaf   *leafData
	lo, hi int // rows of the leaf

	// always says that chunks are compressed whether or not that saves bytes.
	//
	// Why: parquet-go takes a column's codec from its first row group, so that a
	// column must have the same in all. Those of a large file are worth zstd.
	always bool

	// The values without NULLs, by kind; strings and booleans stay in the leaf.
	ints  []int64
	fixed []byte

	// Optional columns: which of the rows have a value, and, if not all have
	// one, their numbers.
	present []level
	sel     []int32

	dictionary dictionary
	nesting    nesting
	bits       []level
	raw        []byte // bodies of the pages
	packed     []byte // the same, compressed
	pack       *zstd.Encoder
	most       int // values of a page
}

func newChunkWriter() *chunkWriter {
	pack, err := zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstdLevel), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
	if err != nil {
		panic(warehouse.Bug("zstd options: %v", err))
	}
	return &chunkWriter{pack: pack, most: pageValues}
}

var zstdLevel = zstd.SpeedFastest

// release lets go of the record's memory and returns w to chunkWriters.
func (w *chunkWriter) release() {
	w.leaf, w.nesting.offsets, w.most = nil, nil, pageValues
	w.dictionary.reset()
	if cap(w.raw) > keepBytes {
		w.raw, w.packed, w.dictionary.plain = nil, nil, nil
	}
	chunkWriters.Put(w)
}

// write appends the chunk of the leaf's rows [lo, hi) to a file that begins at
// dst[base].
func (w *chunkWriter) write(dst []byte, base int, l *leafData, lo, hi int) ([]byte, chunkMeta, error) {
	w.leaf, w.lo, w.hi = l, lo, hi
	w.load()
	m := chunkMeta{leaf: l.spec, dictionary: w.dictionary.build(w)}
	w.raw = w.raw[:0]
	if m.dictionary {
		w.raw = append(w.raw, w.dictionary.plain...)
	}
	dictEnd := len(w.raw)
	for row, value := lo, 0; row < hi; {
		p := pageMeta{firstRow: int64(row - lo)}
		end := w.pageEnd(row, value, m.dictionary)
		next := value + w.valuesOf(row, end)
		w.appendPage(&p, row, end, value, next, m.dictionary)
		m.pages = append(m.pages, p)
		row, value = end, next
	}
	dst, err := w.emit(dst, base, &m, dictEnd)
	return dst, m, err
}

// load gathers the values without NULLs.
func (w *chunkWriter) load() {
	l := w.leaf
	w.ints, w.fixed = w.ints[:0], w.fixed[:0]
	w.loadNulls()
	from, n := w.position(0), w.count()
	switch {
	case n == 0:
	case l.nulls != nil && l.ints != nil:
		for _, row := range w.sel {
			w.ints = append(w.ints, l.ints[row])
		}
	case l.ints != nil:
		w.ints = append(w.ints, l.ints[from:from+n]...)
	case l.shorts != nil:
		for _, v := range l.shorts[from : from+n] {
			w.ints = append(w.ints, int64(v))
		}
	case l.fixed != nil:
		w.fixed = append(w.fixed, l.fixed[16*from:16*(from+n)]...)
	case l.wide != nil:
		for _, v := range l.wide.Values()[from : from+n] {
			w.fixed = binary.BigEndian.AppendUint64(w.fixed, uint64(v.HighBits()))
			w.fixed = binary.BigEndian.AppendUint64(w.fixed, v.LowBits())
		}
	}
}

// loadNulls fills present and sel for an optional column.
func (w *chunkWriter) loadNulls() {
	l, rows := w.leaf, w.hi-w.lo
	w.present, w.sel = w.present[:0], w.sel[:0]
	switch {
	case l.spec.shape != optional:
	case l.nulls == nil:
		w.present = appendRepeated(w.present, 1, rows)
	case l.nulls.NullN() == l.nulls.Len():
		w.present = appendRepeated(w.present, 0, rows)
	default:
		for row := w.lo; row < w.hi; row++ {
			if l.nulls.IsNull(row) {
				w.present = append(w.present, 0)
				continue
			}
			w.present = append(w.present, 1)
			w.sel = append(w.sel, int32(row))
		}
	}
}

func appendRepeated[T any](dst []T, v T, n int) []T {
	dst = slices.Grow(dst, n)
	for range n {
		dst = append(dst, v)
	}
	return dst
}

// count returns the number of values, without NULLs.
func (w *chunkWriter) count() int {
	switch l := w.leaf; {
	case l.spec.nested():
		return int(l.offsets[w.hi] - l.offsets[w.lo])
	case l.nulls != nil:
		return len(w.sel)
	}
	return w.hi - w.lo
}

// position returns where the i-th value lies in the leaf's arrays.
func (w *chunkWriter) position(i int) int {
	switch l := w.leaf; {
	case l.spec.nested():
		return int(l.offsets[w.lo]) + i
	case l.nulls != nil && i < len(w.sel):
		return int(w.sel[i])
	}
	return w.lo + i
}

// text returns the i-th value of a string column.
func (w *chunkWriter) text(i int) string {
	i = w.position(i)
	if w.leaf.index != nil {
		i = int(w.leaf.index[i])
	}
	return w.leaf.text.Value(i)
}

// valuesOf returns how many values rows [row, end) have.
func (w *chunkWriter) valuesOf(row, end int) int {
	switch l := w.leaf; {
	case l.spec.nested():
		return int(l.offsets[end] - l.offsets[row])
	case l.nulls != nil:
		return countOnes(w.present[row-w.lo : end-w.lo])
	}
	return end - row
}

// pageEnd returns the row before which the page ends that begins with the row
// and the value.
func (w *chunkWriter) pageEnd(row, value int, dictionary bool) int {
	plainText := w.leaf.spec.kind == kindString && !dictionary
	if !plainText && !w.leaf.spec.nested() {
		return row + min(w.hi-row, w.most)
	}
	slots, size := 0, 0
	for row < w.hi && slots < w.most && size < pageTextBytes {
		n := w.valuesOf(row, row+1)
		if plainText {
			for i := range n {
				size += len(w.text(value + i))
			}
		}
		slots += max(n, 1)
		value += n
		row++
	}
	return row
}

// appendPage appends the body of the page of rows [row, end) and values
// [from, to) to raw.
func (w *chunkWriter) appendPage(p *pageMeta, row, end, from, to int, dictionary bool) {
	p.slots = end - row
	switch {
	case w.leaf.spec.nested():
		p.slots = w.appendNesting(row, end)
	case w.leaf.spec.shape == optional:
		w.raw = appendLevels(w.raw, w.present[row-w.lo:end-w.lo])
	}
	p.nulls = p.slots - (to - from)
	if dictionary {
		width := indexWidth(w.dictionary.n)
		w.raw = appendHybrid(append(w.raw, byte(width)), w.dictionary.index[from:to], width)
	} else {
		w.appendPlain(from, to)
	}
	if !w.leaf.spec.nested() && to > from {
		p.bounds = w.boundsOf(from, to, dictionary)
	}
	p.rawEnd = len(w.raw)
}

// appendNesting appends the levels of a nested leaf's rows [row, end) and
// returns the number of slots: an empty list has definition level 0, the second
// and later values of a list have repetition level 1.
func (w *chunkWriter) appendNesting(row, end int) (slots int) {
	if n := &w.nesting; n.offsets != &w.leaf.offsets[0] || n.row != row || n.end != end {
		n.offsets, n.row, n.end = &w.leaf.offsets[0], row, end
		n.build(w.leaf.offsets[row : end+1])
	}
	w.raw = append(w.raw, w.nesting.levels...)
	return w.nesting.slots
}

// nesting is the encoded levels of some rows of lists. The lists of a
// stacktrace share their offsets, and so their levels.
type nesting struct {
	offsets    *int32 // identifies the lists
	row, end   int
	reps, defs []level
	levels     []byte
	slots      int
}

func (n *nesting) build(offsets []int32) {
	n.reps, n.defs = n.reps[:0], n.defs[:0]
	for i, from := range offsets[:len(offsets)-1] {
		size := int(offsets[i+1] - from)
		n.reps = append(n.reps, 0)
		n.defs = append(n.defs, level(min(size, 1)))
		if size > 1 {
			n.reps = appendRepeated(n.reps, 1, size-1)
			n.defs = appendRepeated(n.defs, 1, size-1)
		}
	}
	n.slots = len(n.reps)
	n.levels = appendLevels(appendLevels(n.levels[:0], n.reps), n.defs)
}

func (w *chunkWriter) appendPlain(from, to int) {
	switch l := w.leaf; l.spec.kind {
	case kindInt32:
		for _, v := range w.ints[from:to] {
			w.raw = binary.LittleEndian.AppendUint32(w.raw, uint32(v))
		}
	case kindTime, kindInt64:
		for _, v := range w.ints[from:to] {
			w.raw = binary.LittleEndian.AppendUint64(w.raw, uint64(v))
		}
	case kindUUID, kindDecimal:
		w.raw = append(w.raw, w.fixed[16*from:16*to]...)
	case kindBool:
		w.bits = w.bits[:0]
		for i := from; i < to; i++ {
			v := level(0)
			if l.bits.Value(w.position(i)) {
				v = 1
			}
			w.bits = append(w.bits, v)
		}
		w.raw = appendBits(w.raw, w.bits)
	case kindString:
		for i := from; i < to; i++ {
			w.raw = appendString(w.raw, w.text(i))
		}
	}
}

// emit compresses the pages in raw, if that saves bytes, and appends them with
// their headers.
func (w *chunkWriter) emit(dst []byte, base int, m *chunkMeta, dictEnd int) ([]byte, error) {
	if err := w.checkSizes(m, dictEnd); err != nil {
		return dst, err
	}
	bodies := w.compress(m, dictEnd)
	start := len(dst)
	if m.dictionary {
		m.dictOffset = int64(len(dst) - base)
		dst = appendPageHeader(dst, pageDictionary, encodingPlain, w.dictionary.n, dictEnd, bodies[0])
		m.rawSize += int64(len(dst)-start) + int64(dictEnd)
		dst = append(dst, bodies[0]...)
		bodies = bodies[1:]
	}
	m.dataOffset = int64(len(dst) - base)
	encoding := int32(encodingPlain)
	if m.dictionary {
		encoding = encodingDictionary
	}
	rawAt := dictEnd
	for i := range m.pages {
		p := &m.pages[i]
		at := len(dst)
		dst = appendPageHeader(dst, pageData, encoding, p.slots, p.rawEnd-rawAt, bodies[i])
		m.rawSize += int64(len(dst)-at) + int64(p.rawEnd-rawAt)
		dst = append(dst, bodies[i]...)
		p.offset, p.size = int64(at-base), int32(len(dst)-at)
		m.slots += int64(p.slots)
		m.nulls += int64(p.nulls)
		rawAt = p.rawEnd
	}
	m.bounds = unite(m.leaf, m.pages)
	m.size = int64(len(dst) - start)
	return dst, nil
}

// checkSizes refuses pages whose size does not fit Parquet's headers.
func (w *chunkWriter) checkSizes(m *chunkMeta, dictEnd int) error {
	largest, at := dictEnd, dictEnd
	for i := range m.pages {
		largest = max(largest, m.pages[i].rawEnd-at)
		at = m.pages[i].rawEnd
	}
	if largest > maxPageBytes {
		return warehouse.Errorf(warehouse.Limit, "write column %s: a page has %d bytes, the limit is %d",
			m.leaf.path[0], largest, maxPageBytes)
	}
	return nil
}

// compress sets the chunk's codec and returns the bodies of its pages in it.
func (w *chunkWriter) compress(m *chunkMeta, dictEnd int) [][]byte {
	ends := make([]int, 0, 1+len(m.pages))
	if m.dictionary {
		ends = append(ends, dictEnd)
	}
	for i := range m.pages {
		ends = append(ends, m.pages[i].rawEnd)
	}
	m.codec = codecNone
	raw := split(w.raw, ends)
	if len(w.raw) < minPackBytes && !w.always {
		return raw
	}
	w.packed = w.packed[:0]
	packedEnds := make([]int, len(ends))
	for i, body := range raw {
		w.packed = w.pack.EncodeAll(body, w.packed)
		packedEnds[i] = len(w.packed)
	}
	if len(w.packed) > len(w.raw)-len(w.raw)/16 && !w.always { // not worth the reader's time
		return raw
	}
	m.codec = codecZstd
	return split(w.packed, packedEnds)
}

// split cuts b at the ends.
func split(b []byte, ends []int) [][]byte {
	parts := make([][]byte, len(ends))
	at := 0
	for i, end := range ends {
		parts[i] = b[at:end]
		at = end
	}
	return parts
}

func appendPageHeader(dst []byte, page, encoding int32, values, rawSize int, body []byte) []byte {
	w := thriftWriter{buf: dst}
	w.i32(1, page)
	w.i32(2, int32(rawSize))
	w.i32(3, int32(len(body)))
	w.i32(4, int32(crc32.ChecksumIEEE(body)))
	if page == pageDictionary {
		outer := w.begin(7)
		w.i32(1, int32(values))
		w.i32(2, encoding)
		w.end(outer)
	} else {
		outer := w.begin(5)
		w.i32(1, int32(values))
		w.i32(2, encoding)
		w.i32(3, encodingRLE)
		w.i32(4, encodingRLE)
		w.end(outer)
	}
	w.end(0)
	return w.buf
}
