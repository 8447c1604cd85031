package block

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/parquet-go/parquet-go/format"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// checkMetadata compares what the file says about itself with the table and with
// what our reader understood.
func (s *secondReader) checkMetadata(t warehouse.Table) error {
	m := s.file.Metadata()
	version, _ := s.file.Lookup(keyFormat)
	name, _ := s.file.Lookup(keyTable)
	switch v, err := strconv.ParseUint(version, 10, 16); {
	case err != nil || v == 0 || v > FormatVersion || version != s.ours.format:
		return fmt.Errorf("%s is %q, our reader has %q", keyFormat, version, s.ours.format)
	case name != t.String():
		return fmt.Errorf("%s is %q, want %q", keyTable, name, t)
	case m.Version != parquetVersion:
		return fmt.Errorf("version of Parquet is %d, want %d", m.Version, parquetVersion)
	case m.NumRows != s.ours.rows || len(m.RowGroups) != len(s.ours.groups):
		return fmt.Errorf("%d rows in %d row groups, our reader has %d in %d", m.NumRows, len(m.RowGroups), s.ours.rows, len(s.ours.groups))
	case len(m.ColumnOrders) != len(s.tab.leaves):
		return fmt.Errorf("%d columns have an order, want %d", len(m.ColumnOrders), len(s.tab.leaves))
	case m.EncryptionAlgorithm.Value != nil || len(m.FooterSigningKeyMetadata) > 0:
		return fmt.Errorf("the file is encrypted or signed")
	}
	for i := range m.ColumnOrders {
		if _, ok := m.ColumnOrders[i].Value.(*format.TypeDefinedOrder); !ok {
			return fmt.Errorf("column %s is not in the order of its type", s.tab.leaves[i].name())
		}
	}
	return nil
}

// checkGroup checks the totals and the order that a row group states, given the
// pages of each of its chunks.
func (s *secondReader) checkGroup(i int, pages [][]pageRef) error {
	g, ours := &s.file.Metadata().RowGroups[i], &s.ours.groups[i]
	if len(g.Columns) != len(ours.chunks) || g.NumRows != ours.rows || int(g.Ordinal) != i {
		return fmt.Errorf("number %d, %d rows of %d columns, our reader has %d of %d", g.Ordinal, g.NumRows, len(g.Columns), ours.rows, len(ours.chunks))
	}
	var rawSize, size int64
	for j := range g.Columns {
		m := &g.Columns[j].MetaData
		if err := checkChunk(&g.Columns[j], &ours.chunks[j], &s.tab.leaves[j], pages[j]); err != nil {
			return fmt.Errorf("column %s: %w", s.tab.leaves[j].name(), err)
		}
		rawSize += m.TotalUncompressedSize
		size += m.TotalCompressedSize
	}
	if g.TotalByteSize != rawSize || g.TotalCompressedSize != size || g.FileOffset != ours.chunks[0].start() {
		return fmt.Errorf("%d bytes at %d, %d unpacked; its columns have %d at %d, %d unpacked",
			g.TotalCompressedSize, g.FileOffset, g.TotalByteSize, size, ours.chunks[0].start(), rawSize)
	}
	want := make([]format.SortingColumn, len(s.tab.sorted))
	for j, name := range s.tab.sorted {
		want[j].ColumnIdx = s.tab.leafIndex(name)
	}
	if !slices.Equal(g.SortingColumns, want) {
		return fmt.Errorf("stated order is %+v, want %+v", g.SortingColumns, want)
	}
	return nil
}

// checkChunk checks what is stated about a chunk other than its values.
func checkChunk(c *format.ColumnChunk, ours *chunkRef, leaf *leafSpec, pages []pageRef) error {
	m := &c.MetaData
	switch {
	case c.FilePath != "" || c.CryptoMetadata.Value != nil || len(c.EncryptedColumnMetadata) > 0:
		return fmt.Errorf("it is in another file or encrypted")
	case m.BloomFilterOffset != 0 || m.IndexPageOffset != 0:
		return fmt.Errorf("it has structures that the format has not")
	case int32(m.Type) != leaf.kind.physical() || !slices.Equal(m.PathInSchema, leaf.path):
		return fmt.Errorf("it is %s %q", m.Type, m.PathInSchema)
	case int32(m.Codec) != ours.codec || m.NumValues != ours.slots:
		return fmt.Errorf("it has %d values in %s, our reader has %d in codec %d", m.NumValues, m.Codec, ours.slots, ours.codec)
	case m.DataPageOffset != ours.dataOffset || m.DictionaryPageOffset != ours.dictOffset || m.TotalCompressedSize != ours.size:
		return fmt.Errorf("its %d bytes are at %d and %d, our reader has %d at %d and %d", m.TotalCompressedSize,
			m.DictionaryPageOffset, m.DataPageOffset, ours.size, ours.dictOffset, ours.dataOffset)
	}
	return checkEncodings(m, leaf, pages)
}

// checkEncodings compares the encodings and sizes that a chunk states with its
// pages.
func checkEncodings(m *format.ColumnMetaData, leaf *leafSpec, pages []pageRef) error {
	values := dataPages(pages)
	hasDictionary := len(values) < len(pages)
	encoding := int32(encodingPlain)
	want := []format.Encoding{format.Plain}
	if leaf.shape != required {
		want = append(want, format.RLE)
	}
	stats := []format.PageEncodingStats{{PageType: format.DataPage, Encoding: format.Plain, Count: int32(len(values))}}
	if hasDictionary {
		encoding = encodingDictionary
		want = append(want, format.RLEDictionary)
		stats = []format.PageEncodingStats{{PageType: format.DictionaryPage, Encoding: format.Plain, Count: 1}, stats[0]}
		stats[1].Encoding = format.RLEDictionary
	}
	var rawSize int64
	for i := range pages {
		rawSize += pages[i].head() + int64(pages[i].rawSize)
	}
	for i := range values {
		if values[i].page != pageData || values[i].encoding != encoding {
			return fmt.Errorf("page at byte %d is of type %d in encoding %d, want %d in %d",
				values[i].offset, values[i].page, values[i].encoding, pageData, encoding)
		}
	}
	switch {
	case len(values) == 0 || values[0].offset != m.DataPageOffset:
		return fmt.Errorf("no data page begins at byte %d", m.DataPageOffset)
	case m.TotalUncompressedSize != rawSize:
		return fmt.Errorf("it states %d bytes unpacked, its pages have %d", m.TotalUncompressedSize, rawSize)
	case !slices.Equal(m.Encoding, want) || len(m.EncodingStats) > 0 && !slices.Equal(m.EncodingStats, stats):
		return fmt.Errorf("stated encodings are %v, %+v, want %v, %+v", m.Encoding, m.EncodingStats, want, stats)
	}
	return nil
}
