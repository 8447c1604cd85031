package block

import (
	"encoding/binary"
	"fmt"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// metadata is what readers need of a file's footer.
type metadata struct {
	elements      []schemaElement
	rows          int64
	groups        []groupRef
	format, table string
}

// groupRef says where a row group lies.
type groupRef struct {
	rows   int64
	chunks []chunkRef
}

// chunkRef says where a column chunk lies.
type chunkRef struct {
	codec      int32
	slots      int64
	dictOffset int64 // 0 if there is no dictionary
	dataOffset int64
	size       int64 // of all pages with headers
}

// readMetadata decodes the footer and checks it against the table.
func readMetadata(data []byte, t warehouse.Table, tab *table) (*metadata, error) {
	const tail = 4 + len(magic)
	if len(data) < len(magic)+tail || string(data[:len(magic)]) != magic || string(data[len(data)-len(magic):]) != magic {
		return nil, warehouse.Errorf(warehouse.Corrupt, "read %s: %d bytes do not begin and end as Parquet", t, len(data))
	}
	size := int64(binary.LittleEndian.Uint32(data[len(data)-tail:]))
	end := int64(len(data) - tail)
	if size > end-int64(len(magic)) {
		return nil, warehouse.Errorf(warehouse.Corrupt, "read %s: footer of %d bytes in a file of %d", t, size, len(data))
	}
	var m metadata
	r := thriftReader{data: data[end-size : end]}
	m.decode(&r)
	if r.err != nil {
		return nil, warehouse.Errorf(warehouse.Corrupt, "read %s: footer at byte %d: %w", t, end-size, r.err)
	}
	if err := m.check(t, tab, end-size); err != nil {
		return nil, err
	}
	return &m, nil
}

func (m *metadata) decode(r *thriftReader) {
	r.fields(func(id int16, t thriftType) bool {
		switch {
		case id == 2 && t == thriftList:
			r.structList(func() { m.elements = append(m.elements, readElement(r)) })
		case id == 3 && t == thriftI64:
			m.rows = r.i64()
		case id == 4 && t == thriftList:
			r.structList(func() { m.groups = append(m.groups, readGroupRef(r)) })
		case id == 5 && t == thriftList:
			r.structList(func() { m.readKeyValue(r) })
		default:
			return false
		}
		return true
	})
}

func (m *metadata) readKeyValue(r *thriftReader) {
	var key, value []byte
	r.fields(func(id int16, t thriftType) bool {
		switch {
		case id == 1 && t == thriftBinary:
			key = r.bytes()
		case id == 2 && t == thriftBinary:
			value = r.bytes()
		default:
			return false
		}
		return true
	})
	switch string(key) {
	case keyFormat:
		m.format = string(value)
	case keyTable:
		m.table = string(value)
	}
}

func readElement(r *thriftReader) schemaElement {
	e := schemaElement{repeat: -1, children: -1, id: -1, physical: -1, converted: -1, logical: -1}
	r.fields(func(id int16, t thriftType) bool {
		switch {
		case id == 1 && t == thriftI32:
			e.physical = r.i32()
		case id == 3 && t == thriftI32:
			e.repeat = r.i32()
		case id == 4 && t == thriftBinary:
			e.name = string(r.bytes())
		case id == 5 && t == thriftI32:
			e.children = r.i32()
		case id == 6 && t == thriftI32:
			e.converted = r.i32()
		case id == 9 && t == thriftI32:
			e.id = r.i32()
		case id == 10 && t == thriftStruct:
			r.fields(func(id int16, _ thriftType) bool {
				e.logical = int8(id)
				return false
			})
		default:
			return false
		}
		return true
	})
	return e
}

func readGroupRef(r *thriftReader) groupRef {
	var g groupRef
	r.fields(func(id int16, t thriftType) bool {
		switch {
		case id == 1 && t == thriftList:
			r.structList(func() { g.chunks = append(g.chunks, readChunkRef(r)) })
		case id == 3 && t == thriftI64:
			g.rows = r.i64()
		default:
			return false
		}
		return true
	})
	return g
}

func readChunkRef(r *thriftReader) chunkRef {
	var c chunkRef
	r.fields(func(id int16, t thriftType) bool {
		if id != 3 || t != thriftStruct {
			return false
		}
		r.fields(func(id int16, t thriftType) bool {
			switch {
			case id == 4 && t == thriftI32:
				c.codec = r.i32()
			case id == 5 && t == thriftI64:
				c.slots = r.i64()
			case id == 7 && t == thriftI64:
				c.size = r.i64()
			case id == 9 && t == thriftI64:
				c.dataOffset = r.i64()
			case id == 11 && t == thriftI64:
				c.dictOffset = r.i64()
			default:
				return false
			}
			return true
		})
		return true
	})
	return c
}

// check compares the metadata with the table and the sizes that writers keep to,
// so that what follows may trust them. Pages end before the footer.
func (m *metadata) check(t warehouse.Table, tab *table, footer int64) error {
	if err := checkVersion(t, m.format); err != nil {
		return asFault(CheckMetadata, err)
	}
	if m.table != t.String() {
		return asFault(CheckMetadata, warehouse.Errorf(warehouse.Corrupt, "read %s: the file is of table %q", t, m.table))
	}
	if len(m.elements) != len(tab.parquet) {
		return asFault(CheckSchema, warehouse.Errorf(warehouse.Corrupt, "read %s: schema has %d elements, want %d", t, len(m.elements), len(tab.parquet)))
	}
	for i, want := range tab.parquet {
		if got := m.elements[i]; got != want {
			return asFault(CheckSchema, warehouse.Errorf(warehouse.Corrupt, "read %s: schema element %d is %+v, want %+v", t, i, got, want))
		}
	}
	var rows int64
	for i := range m.groups {
		if err := m.groups[i].check(tab, footer); err != nil {
			return asFault(CheckRowGroup, warehouse.Errorf(warehouse.Corrupt, "read %s: row group %d: %w", t, i, err))
		}
		rows += m.groups[i].rows
	}
	if rows != m.rows {
		return asFault(CheckMetadata, warehouse.Errorf(warehouse.Corrupt, "read %s: row groups have %d rows, the file says %d", t, rows, m.rows))
	}
	return nil
}

func (g *groupRef) check(tab *table, footer int64) error {
	if len(g.chunks) != len(tab.leaves) {
		return fmt.Errorf("%d columns, want %d", len(g.chunks), len(tab.leaves))
	}
	if g.rows < 1 || g.rows > MaxRowGroupRows {
		return fmt.Errorf("%d rows, want 1 to %d", g.rows, MaxRowGroupRows)
	}
	for i := range g.chunks {
		c, leaf := &g.chunks[i], &tab.leaves[i]
		maxSlots := g.rows
		if leaf.nested() {
			maxSlots += maxRowGroupValues + maxRowValues
		}
		start := c.start()
		switch {
		case c.slots < g.rows || c.slots > maxSlots:
			return fmt.Errorf("column %s: %d values in %d rows", leaf.path[0], c.slots, g.rows)
		case start < int64(len(magic)) || start > footer || c.size < 0 || c.size > footer-start || c.dataOffset < start:
			return fmt.Errorf("column %s: pages [%d, +%d) lie outside [%d, %d)", leaf.path[0], start, c.size, len(magic), footer)
		case c.codec != codecNone && c.codec != codecZstd:
			return fmt.Errorf("column %s: unknown codec %d", leaf.path[0], c.codec)
		}
	}
	return nil
}

// start returns the offset of the chunk's first page.
func (c *chunkRef) start() int64 {
	if c.dictOffset != 0 {
		return c.dictOffset
	}
	return c.dataOffset
}
