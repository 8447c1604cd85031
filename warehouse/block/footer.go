package block

import (
	"strconv"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// rowGroupMeta is what the footer tells about a row group.
type rowGroupMeta struct {
	rows   int64
	offset int64 // of its first page
	chunks []chunkMeta
}

// Numbers of the Parquet format.
const (
	physicalBool   = 0
	physicalInt32  = 1
	physicalInt64  = 2
	physicalBinary = 6
	physicalFixed  = 7

	repeatRequired = 0
	repeatOptional = 1
	repeatRepeated = 2

	convertedUTF8    = 0
	convertedMap     = 1
	convertedList    = 3
	convertedDecimal = 5
	convertedMicros  = 10

	logicalString    = 1
	logicalMap       = 2
	logicalList      = 3
	logicalDecimal   = 5
	logicalTimestamp = 8
	logicalUUID      = 14
)

// parquetVersion is the version of Parquet's own metadata: logical types and
// RLE_DICTIONARY belong to 2.
const parquetVersion = 2

const decimalPrecision = 38

func (k kind) physical() int32 {
	switch k {
	case kindInt32:
		return physicalInt32
	case kindString:
		return physicalBinary
	case kindUUID, kindDecimal:
		return physicalFixed
	case kindBool:
		return physicalBool
	}
	return physicalInt64
}

// footer writes page indexes and the file's metadata.
type footer struct {
	thriftWriter
	table  warehouse.Table
	schema *table
	groups []rowGroupMeta
	index  [][]indexMeta // by row group and leaf; empty if the file has no page index
}

// indexMeta says where the page index of a chunk lies; sizes of 0 mean nowhere.
type indexMeta struct {
	columnOffset, offsetOffset int64
	columnSize, offsetSize     int32
}

// appendFooter appends everything that follows the pages of a file that begins
// at dst[base], up to but without the length of the metadata.
func appendFooter(dst []byte, base int, t warehouse.Table, tab *table, groups []rowGroupMeta) (_ []byte, metaSize int) {
	f := footer{thriftWriter: thriftWriter{buf: dst}, table: t, schema: tab, groups: groups}
	f.writePageIndexes(base)
	start := len(f.buf)
	f.writeMetadata()
	return f.buf, len(f.buf) - start
}

// writePageIndexes writes the page index of row groups that have a chunk of
// several pages. Elsewhere the statistics of the chunk say the same. The
// smallest and largest values of pages are written for top-level columns only.
func (f *footer) writePageIndexes(base int) {
	f.index = make([][]indexMeta, len(f.groups))
	for i := range f.groups {
		g := &f.groups[i]
		f.index[i] = make([]indexMeta, len(g.chunks))
		if !g.hasPageIndex() {
			continue
		}
		for j := range g.chunks {
			if g.chunks[j].hasColumnIndex() {
				at := len(f.buf)
				f.writeColumnIndex(&g.chunks[j])
				f.index[i][j].columnOffset, f.index[i][j].columnSize = int64(at-base), int32(len(f.buf)-at)
			}
		}
		for j := range g.chunks {
			at := len(f.buf)
			f.writeOffsetIndex(&g.chunks[j])
			f.index[i][j].offsetOffset, f.index[i][j].offsetSize = int64(at-base), int32(len(f.buf)-at)
		}
	}
}

func (g *rowGroupMeta) hasPageIndex() bool {
	for i := range g.chunks {
		if len(g.chunks[i].pages) > 1 {
			return true
		}
	}
	return false
}

// hasColumnIndex reports whether the bounds of all pages with values are known.
func (m *chunkMeta) hasColumnIndex() bool {
	for i := range m.pages {
		if p := &m.pages[i]; !p.known() && p.nulls < p.slots {
			return false
		}
	}
	return true
}

func (f *footer) writeColumnIndex(m *chunkMeta) {
	outer := f.element()
	f.list(1, thriftTrue, len(m.pages))
	for i := range m.pages {
		allNull := thriftFalse
		if m.pages[i].nulls == m.pages[i].slots {
			allNull = thriftTrue
		}
		f.buf = append(f.buf, byte(allNull))
	}
	f.list(2, thriftBinary, len(m.pages))
	for i := range m.pages {
		f.bytes(m.pages[i].min)
	}
	f.list(3, thriftBinary, len(m.pages))
	for i := range m.pages {
		f.bytes(m.pages[i].max)
	}
	f.i32(4, 0) // pages are in no order
	f.list(5, thriftI64, len(m.pages))
	for i := range m.pages {
		f.varint(int64(m.pages[i].nulls))
	}
	f.end(outer)
}

func (f *footer) writeOffsetIndex(m *chunkMeta) {
	outer := f.element()
	f.list(1, thriftStruct, len(m.pages))
	for i := range m.pages {
		page := f.element()
		f.i64(1, m.pages[i].offset)
		f.i32(2, m.pages[i].size)
		f.i64(3, m.pages[i].firstRow)
		f.end(page)
	}
	f.end(outer)
}

func (f *footer) writeMetadata() {
	outer := f.element()
	f.i32(1, parquetVersion)
	f.writeSchema()
	var rows int64
	for i := range f.groups {
		rows += f.groups[i].rows
	}
	f.i64(3, rows)
	f.list(4, thriftStruct, len(f.groups))
	for i := range f.groups {
		f.writeRowGroup(i)
	}
	f.list(5, thriftStruct, 2)
	f.writeKeyValue(keyFormat, strconv.Itoa(FormatVersion))
	f.writeKeyValue(keyTable, f.table.String())
	f.string(6, createdBy)
	f.list(7, thriftStruct, len(f.schema.leaves))
	for range f.schema.leaves {
		order := f.element()
		f.end(f.begin(1)) // the order of the column's type
		f.end(order)
	}
	f.end(outer)
}

func (f *footer) writeKeyValue(key, value string) {
	outer := f.element()
	f.string(1, key)
	f.string(2, value)
	f.end(outer)
}

// schemaElement is one node of the Parquet schema; -1 leaves a number out.
type schemaElement struct {
	name      string
	repeat    int32
	children  int32
	id        int32
	physical  int32
	converted int32
	logical   int8
}

// elements returns the Parquet schema in depth-first order, the root first.
func (t *table) elements() []schemaElement {
	elements := []schemaElement{{"schema", -1, int32(len(t.columns)), -1, -1, -1, -1}}
	for _, c := range t.columns {
		switch c.shape {
		case required:
			elements = append(elements, c.kind.element(c.name, repeatRequired, c.id))
		case optional:
			elements = append(elements, c.kind.element(c.name, repeatOptional, c.id))
		case listOf:
			elements = append(elements,
				schemaElement{c.name, repeatRequired, 1, c.id, -1, convertedList, logicalList},
				schemaElement{"list", repeatRepeated, 1, -1, -1, -1, -1},
				c.kind.element("element", repeatRequired, c.id+1))
		case mapOf:
			elements = append(elements,
				schemaElement{c.name, repeatRequired, 1, c.id, -1, convertedMap, logicalMap},
				schemaElement{"key_value", repeatRepeated, 2, -1, -1, -1, -1},
				c.kind.element("key", repeatRequired, c.id+1),
				c.kind.element("value", repeatRequired, c.id+2))
		}
	}
	return elements
}

func (f *footer) writeSchema() {
	elements := f.schema.parquet
	f.list(2, thriftStruct, len(elements))
	for i := range elements {
		f.writeElement(&elements[i])
	}
}

// element returns the schema's leaf for values of the kind.
func (k kind) element(name string, repeat, id int32) schemaElement {
	e := schemaElement{name: name, repeat: repeat, children: -1, id: id, physical: k.physical(), converted: -1, logical: -1}
	switch k {
	case kindTime:
		e.converted, e.logical = convertedMicros, logicalTimestamp
	case kindString:
		e.converted, e.logical = convertedUTF8, logicalString
	case kindUUID:
		e.logical = logicalUUID
	case kindDecimal:
		e.converted, e.logical = convertedDecimal, logicalDecimal
	}
	return e
}

func (f *footer) writeElement(e *schemaElement) {
	outer := f.element()
	f.optional(1, e.physical)
	if e.physical == physicalFixed {
		f.i32(2, 16)
	}
	f.optional(3, e.repeat)
	f.string(4, e.name)
	f.optional(5, e.children)
	f.optional(6, e.converted)
	if e.logical == logicalDecimal {
		f.i32(7, 0)
		f.i32(8, decimalPrecision)
	}
	f.optional(9, e.id)
	if e.logical >= 0 {
		f.writeLogical(e.logical)
	}
	f.end(outer)
}

func (f *footer) optional(id int8, v int32) {
	if v >= 0 {
		f.i32(id, v)
	}
}

func (f *footer) writeLogical(logical int8) {
	union := f.begin(10)
	value := f.begin(logical)
	switch logical {
	case logicalDecimal:
		f.i32(1, 0)
		f.i32(2, decimalPrecision)
	case logicalTimestamp:
		f.bool(1, true) // adjusted to UTC
		unit := f.begin(2)
		f.end(f.begin(2)) // microseconds
		f.end(unit)
	}
	f.end(value)
	f.end(union)
}

func (f *footer) writeRowGroup(i int) {
	g := &f.groups[i]
	outer := f.element()
	var rawSize, size int64
	f.list(1, thriftStruct, len(g.chunks))
	for j := range g.chunks {
		f.writeChunk(&g.chunks[j], f.index[i][j])
		rawSize += g.chunks[j].rawSize
		size += g.chunks[j].size
	}
	f.i64(2, rawSize)
	f.i64(3, g.rows)
	f.list(4, thriftStruct, len(f.schema.sorted))
	for _, name := range f.schema.sorted {
		column := f.element()
		f.i32(1, f.schema.leafIndex(name))
		f.bool(2, false) // not descending
		f.bool(3, false) // NULLs last, though there are none
		f.end(column)
	}
	f.i64(5, g.offset)
	f.i64(6, size)
	f.i16(7, int16(i))
	f.end(outer)
}

func (f *footer) writeChunk(m *chunkMeta, x indexMeta) {
	outer := f.element()
	f.i64(2, 0) // the metadata is nowhere but here
	f.writeChunkMeta(m)
	if x.offsetSize > 0 {
		f.i64(4, x.offsetOffset)
		f.i32(5, x.offsetSize)
	}
	if x.columnSize > 0 {
		f.i64(6, x.columnOffset)
		f.i32(7, x.columnSize)
	}
	f.end(outer)
}

func (f *footer) writeChunkMeta(m *chunkMeta) {
	outer := f.begin(3)
	f.i32(1, m.leaf.kind.physical())
	encodings := m.encodings()
	f.list(2, thriftI32, len(encodings))
	for _, e := range encodings {
		f.varint(int64(e))
	}
	f.list(3, thriftBinary, len(m.leaf.path))
	for _, name := range m.leaf.path {
		f.text(name)
	}
	f.i32(4, m.codec)
	f.i64(5, m.slots)
	f.i64(6, m.rawSize)
	f.i64(7, m.size)
	f.i64(9, m.dataOffset)
	if m.dictionary {
		f.i64(11, m.dictOffset)
	}
	f.writeStatistics(m)
	f.writeEncodingStats(m)
	f.end(outer)
}

func (m *chunkMeta) encodings() []int32 {
	encodings := []int32{encodingPlain} // of the values, or of the dictionary
	if m.leaf.shape != required {
		encodings = append(encodings, encodingRLE)
	}
	if m.dictionary {
		encodings = append(encodings, encodingDictionary)
	}
	return encodings
}

func (f *footer) writeStatistics(m *chunkMeta) {
	outer := f.begin(12)
	f.i64(3, m.nulls)
	if m.known() {
		f.binary(5, m.max)
		f.binary(6, m.min)
		f.bool(7, true) // exact
		f.bool(8, true)
	}
	f.end(outer)
}

func (f *footer) writeEncodingStats(m *chunkMeta) {
	write := func(page, encoding int32, n int) {
		outer := f.element()
		f.i32(1, page)
		f.i32(2, encoding)
		f.i32(3, int32(n))
		f.end(outer)
	}
	if !m.dictionary {
		f.list(13, thriftStruct, 1)
		write(pageData, encodingPlain, len(m.pages))
		return
	}
	f.list(13, thriftStruct, 2)
	write(pageDictionary, encodingPlain, 1)
	write(pageData, encodingDictionary, len(m.pages))
}
