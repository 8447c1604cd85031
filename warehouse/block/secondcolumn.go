package block

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// secondColumn compares a column chunk: parquet-go's values with ours, and what
// is stated about them with both.
type secondColumn struct {
	s     *secondReader
	leaf  *leafSpec
	ours  *columnValues
	data  []pageRef // its data pages
	meta  *format.ColumnChunk
	chunk parquet.ColumnChunk
	order func(a, b parquet.Value) int

	row   int // of the row group; -1 before the first
	rows  int // that there are
	value int // next of ours

	whole   claim   // of the chunk
	claims  []claim // of the pages, if there is a column index
	places  parquet.OffsetIndex
	ordered pageOrder
}

func newSecondColumn(s *secondReader, group, column int, ours *columnValues, pages []pageRef) *secondColumn {
	leaf := &s.tab.leaves[column]
	c := &secondColumn{
		s: s, leaf: leaf, ours: ours, data: dataPages(pages), row: -1, rows: int(s.ours.groups[group].rows),
		meta:  &s.file.Metadata().RowGroups[group].Columns[column],
		chunk: s.file.RowGroups()[group].ColumnChunks()[column],
	}
	c.order = c.chunk.Type().Compare
	if leaf.kind == kindDecimal { // which parquet-go compares without its sign
		c.order = func(a, b parquet.Value) int { return compareBounds(kindDecimal, a.ByteArray(), b.ByteArray()) }
	}
	return c
}

// check compares everything. On an error, row is the row that was being read.
// needsIndex says whether the row group promises a page index.
func (c *secondColumn) check(needsIndex bool) error {
	if err := c.readClaims(); err != nil {
		return err
	}
	if needsIndex && c.places == nil {
		return errors.New("there is no offset index, though a chunk of the row group has several pages")
	}
	if err := c.checkPlaces(); err != nil {
		return err
	}
	if err := c.readPages(); err != nil {
		return err
	}
	if c.leaf.nested() {
		if err := c.endList(); err != nil {
			return err
		}
	}
	if c.row+1 != c.rows {
		return fmt.Errorf("parquet-go has %d rows, our reader %d", c.row+1, c.rows)
	}
	if needsIndex && c.claims == nil && !c.leaf.nested() && !c.whole.long {
		return errors.New("there is no column index, though a chunk of the row group has several pages")
	}
	return c.whole.end(c.leaf.nested())
}

// readClaims reads the statistics and the page index.
func (c *secondColumn) readClaims() error {
	m := c.meta
	if !c.within(m.OffsetIndexOffset, m.OffsetIndexLength) || !c.within(m.ColumnIndexOffset, m.ColumnIndexLength) {
		return fmt.Errorf("page index [%d, +%d) and [%d, +%d) lies outside the file",
			m.OffsetIndexOffset, m.OffsetIndexLength, m.ColumnIndexOffset, m.ColumnIndexLength)
	}
	return guarded(func() error {
		file := c.chunk.(*parquet.FileColumnChunk)
		c.whole.nulls = file.NullCount()
		c.whole.min, c.whole.max, c.whole.stated = file.Bounds()
		if m.OffsetIndexOffset > 0 {
			places, err := file.OffsetIndex()
			if err != nil {
				return err
			}
			c.places = places
		}
		if m.ColumnIndexOffset == 0 {
			return nil
		}
		index, err := file.ColumnIndex()
		if err != nil {
			return err
		}
		return c.readIndex(index)
	})
}

// within reports whether [offset, +length) lies in the file.
func (c *secondColumn) within(offset int64, length int32) bool {
	return offset >= 0 && length >= 0 && offset <= int64(len(c.s.data)) && int64(length) <= int64(len(c.s.data))-offset
}

// readIndex reads what a column index states about each page.
func (c *secondColumn) readIndex(index parquet.ColumnIndex) error {
	if n := index.NumPages(); n != len(c.data) {
		return fmt.Errorf("column index has %d pages, there are %d", n, len(c.data))
	}
	c.claims = make([]claim, len(c.data))
	for i := range c.claims {
		p := &c.claims[i]
		p.nulls, p.min, p.max = index.NullCount(i), index.MinValue(i), index.MaxValue(i)
		p.stated = !index.NullPage(i)
	}
	c.ordered = pageOrder{index.IsAscending(), index.IsDescending()}
	return c.ordered.check(c.claims, c.order)
}

// pageOrder is the order of pages that a column index states.
type pageOrder struct{ ascending, descending bool }

// check compares the order with the bounds of the pages.
func (o pageOrder) check(claims []claim, compare func(a, b parquet.Value) int) error {
	var last *claim
	for i := range claims {
		p := &claims[i]
		if !p.stated {
			continue
		}
		if last != nil {
			low, high := compare(last.min, p.min), compare(last.max, p.max)
			if o.ascending && (low > 0 || high > 0) || o.descending && (low < 0 || high < 0) {
				return fmt.Errorf("column index states an order that page %d has not", i)
			}
		}
		last = p
	}
	return nil
}

// checkPlaces compares the offset index with the pages.
func (c *secondColumn) checkPlaces() error {
	if c.places == nil {
		return nil
	}
	if n := c.places.NumPages(); n != len(c.data) {
		return fmt.Errorf("offset index has %d pages, there are %d", n, len(c.data))
	}
	for i := range c.data {
		if offset, length := c.places.Offset(i), c.places.CompressedPageSize(i); offset != c.data[i].offset || length != c.data[i].length {
			return fmt.Errorf("offset index has page %d at [%d, +%d), it is at [%d, +%d)", i, offset, length, c.data[i].offset, c.data[i].length)
		}
	}
	return nil
}

// readPages reads the chunk with parquet-go.
func (c *secondColumn) readPages() error {
	var pages parquet.Pages
	if err := guarded(func() error {
		pages = c.chunk.Pages()
		return nil
	}); err != nil {
		return err
	}
	for i := range c.data {
		if err := c.readPage(pages, i); err != nil {
			return err // its buffers are left to the collector: a panic may have left them in any state
		}
	}
	return guarded(func() error {
		if _, err := pages.ReadPage(); !errors.Is(err, io.EOF) {
			return fmt.Errorf("after the last of %d pages: %w", len(c.data), err)
		}
		return pages.Close()
	})
}

// readPage reads and compares the i-th page.
func (c *secondColumn) readPage(pages parquet.Pages, i int) error {
	var page parquet.Page
	var values parquet.ValueReader
	if err := guarded(func() (err error) {
		if page, err = pages.ReadPage(); err == nil {
			values = page.Values()
		}
		return err
	}); err != nil {
		return err
	}
	if c.places != nil && c.places.FirstRowIndex(i) != int64(c.row+1) {
		return fmt.Errorf("offset index lets page %d begin with row %d of the row group, it is row %d", i, c.places.FirstRowIndex(i), c.row+1)
	}
	for left := int(c.data[i].values); left > 0; {
		n, err := c.next(values)
		if err != nil {
			return err
		}
		if n == 0 || n > left {
			return fmt.Errorf("page %d has %d values, parquet-go finds %d", i, c.data[i].values, int(c.data[i].values)-left+n)
		}
		for j := range c.s.values[:n] {
			if err := c.compare(c.s.values[j], i); err != nil {
				return err
			}
		}
		left -= n
	}
	if c.claims != nil {
		if err := c.claims[i].end(c.leaf.nested()); err != nil {
			return fmt.Errorf("page %d: %w", i, err)
		}
	}
	return guarded(func() error {
		parquet.Release(page)
		return nil
	})
}

// next fills the scratch with values of the page and returns how many; none at
// its end.
func (c *secondColumn) next(values parquet.ValueReader) (n int, err error) {
	err = guarded(func() error {
		var err error
		n, err = values.ReadValues(c.s.values)
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	})
	return n, err
}

// compare compares the next value, which is in the i-th page.
func (c *secondColumn) compare(v parquet.Value, i int) error {
	var err error
	if c.leaf.nested() {
		err = c.nextOfList(v)
	} else {
		err = c.nextOfRow(v)
	}
	if err != nil {
		return err
	}
	if c.claims != nil {
		if err := c.claims[i].see(v, c.order); err != nil {
			return fmt.Errorf("page %d: %w", i, err)
		}
	}
	return c.whole.see(v, c.order)
}

// nextOfRow compares the value of the next row, or its NULL.
func (c *secondColumn) nextOfRow(v parquet.Value) error {
	if c.row++; c.row >= c.rows {
		return fmt.Errorf("parquet-go has more than %d rows", c.rows)
	}
	if c.leaf.shape == required {
		return c.equal(v)
	}
	if ours := c.ours.present[c.row] == 0; v.IsNull() != ours {
		return fmt.Errorf("parquet-go has NULL: %t, our reader: %t", v.IsNull(), ours)
	}
	if v.IsNull() {
		return nil
	}
	return c.equal(v)
}

// nextOfList compares the next value of a list, or a list without values.
func (c *secondColumn) nextOfList(v parquet.Value) error {
	if v.RepetitionLevel() == 0 {
		if err := c.endList(); err != nil {
			return err
		}
		if c.row++; c.row >= c.rows {
			return fmt.Errorf("parquet-go has more than %d rows", c.rows)
		}
	}
	if v.DefinitionLevel() == 0 {
		return nil
	}
	if c.row < 0 || c.value >= int(c.ours.offsets[c.row+1]) {
		return fmt.Errorf("parquet-go has %s in a list that is over for our reader", shown(v))
	}
	return c.equal(v)
}

// endList checks that our list of the row is over too.
func (c *secondColumn) endList() error {
	if c.row < 0 {
		return nil
	}
	if want := int(c.ours.offsets[c.row+1]); c.value != want {
		return fmt.Errorf("parquet-go's list is over, our reader has %d values more", want-c.value)
	}
	return nil
}

// equal compares a value with the next of ours.
func (c *secondColumn) equal(v parquet.Value) error {
	i := c.value
	if i >= c.ours.count(c.leaf) {
		return fmt.Errorf("parquet-go has more than %d values", i)
	}
	c.value++
	if c.same(v, i) {
		return nil
	}
	return fmt.Errorf("parquet-go has %s, our reader %s", shown(v), c.ours.shown(c.leaf.kind, i))
}

// same reports whether the value is our i-th.
func (c *secondColumn) same(v parquet.Value, i int) bool {
	switch c.leaf.kind {
	case kindTime, kindInt64:
		return v.Int64() == c.ours.ints[i]
	case kindInt32:
		return int64(v.Int32()) == c.ours.ints[i]
	case kindBool:
		return v.Boolean() == (c.ours.bits[i] == 1)
	case kindUUID, kindDecimal:
		return bytes.Equal(v.ByteArray(), c.ours.fixed[16*i:16*i+16])
	}
	return string(v.ByteArray()) == c.ours.text(i)
}
