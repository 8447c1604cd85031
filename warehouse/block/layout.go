package block

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Layout says how a table's file is stored.
type Layout struct {
	Table  warehouse.Table
	Format string // version of the tables' layout
	Bytes  int64
	Rows   int64
	Groups []GroupLayout
}

// GroupLayout is a row group.
type GroupLayout struct {
	Rows    int64
	Columns []ColumnLayout
}

// ColumnLayout is a column chunk.
type ColumnLayout struct {
	Name     string
	Field    int32 // its field id
	Encoding string
	Codec    string
	Values   int64
	Nulls    int64
	Packed   int64  // bytes
	Unpacked int64  // bytes before compression
	Min, Max string // empty if they are not stated
}

// LayoutOf reads how a file of the table is stored; it reads no values. A file that
// is none is a Corrupt error.
func LayoutOf(data []byte, t warehouse.Table) (*Layout, error) {
	tab, err := tableOf(t)
	if err != nil {
		return nil, err
	}
	m, err := readMetadata(data, t, tab)
	if err != nil {
		return nil, err
	}
	l := &Layout{Table: t, Format: m.format, Bytes: int64(len(data)), Rows: m.rows}
	err = guarded(func() error {
		file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
		if err != nil {
			return err
		}
		for i := range m.groups {
			g := GroupLayout{Rows: m.groups[i].rows}
			chunks := file.RowGroups()[i].ColumnChunks()
			for j := range tab.leaves {
				g.Columns = append(g.Columns, columnLayout(tab, j, &file.Metadata().RowGroups[i].Columns[j].MetaData, chunks[j]))
			}
			l.Groups = append(l.Groups, g)
		}
		return nil
	})
	if err != nil {
		return nil, corrupt(t, err)
	}
	return l, nil
}

func columnLayout(tab *table, leaf int, m *format.ColumnMetaData, chunk parquet.ColumnChunk) ColumnLayout {
	l := &tab.leaves[leaf]
	c := ColumnLayout{
		Name: l.name(), Field: tab.columns[l.column].fieldID(l.part), Codec: strings.ToLower(m.Codec.String()), Encoding: "plain",
		Values: m.NumValues, Packed: m.TotalCompressedSize, Unpacked: m.TotalUncompressedSize,
	}
	for _, e := range m.Encoding {
		if e == format.RLEDictionary {
			c.Encoding = "dictionary"
		}
	}
	if m.Codec == format.Uncompressed {
		c.Codec = "none"
	}
	if file, ok := chunk.(*parquet.FileColumnChunk); ok {
		c.Nulls = file.NullCount()
		if lo, hi, ok := file.Bounds(); ok {
			c.Min, c.Max = boundText(l.kind, lo), boundText(l.kind, hi)
		}
	}
	return c
}

// fieldID returns the id of one of the column's leaves.
func (c *column) fieldID(part int) int32 {
	switch c.shape {
	case listOf:
		return c.id + 1
	case mapOf:
		return c.id + 1 + int32(part)
	}
	return c.id
}

// boundText returns a smallest or largest value for people.
func boundText(k kind, v parquet.Value) string {
	switch k {
	case kindTime:
		return warehouse.Micros(v.Int64()).String()
	case kindUUID:
		if b := v.ByteArray(); len(b) == len(warehouse.ProfileID{}) {
			return warehouse.ProfileID(b).String()
		}
	case kindDecimal:
		if b := v.ByteArray(); len(b) == 16 {
			return decimalOf(b).BigInt().String()
		}
	case kindString:
		const most = 64
		if b := v.ByteArray(); len(b) > most {
			return fmt.Sprintf("%s… of %d bytes", b[:most], len(b))
		}
		return string(v.ByteArray())
	}
	return v.String()
}
