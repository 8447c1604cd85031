package block

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// secondReader reads a file with parquet-go, which shares no code with the
// readers and writers of this package, and compares: the description of the
// file with the table's, every value with the one that our reader returned, and
// what the metadata states about values with the values.
//
// Why: our reader reads what our writer writes, and a mistake that both make is
// invisible to it. Others read these files with other people's readers.
//
// It opens only files whose metadata, and reads only row groups whose every
// page, our reader has accepted. By then all sizes are checked, and parquet-go,
// which reserves what a header asks for, has nothing excessive to reserve. It
// may still panic on what is damaged: see guarded.
//
// Concurrency: everything happens in the calling goroutine.
type secondReader struct {
	tab    *table
	data   []byte
	ours   *metadata
	file   *parquet.File
	values []parquet.Value // scratch
}

// valuesAtOnce is how many values are taken from a page at a time.
const valuesAtOnce = 512

// openSecond opens a file, whose metadata our reader has accepted, and checks
// what it says about itself.
func openSecond(data []byte, t warehouse.Table, tab *table, ours *metadata) (*secondReader, error) {
	s := &secondReader{tab: tab, data: data, ours: ours, values: make([]parquet.Value, valuesAtOnce)}
	err := guarded(func() (err error) {
		s.file, err = parquet.OpenFile(bytes.NewReader(data), int64(len(data)),
			parquet.SkipPageIndex(true), // its sizes are not checked yet
			parquet.SkipBloomFilters(true))
		return err
	})
	if err != nil {
		return nil, asFault(CheckFooter, err)
	}
	if err := s.checkSchema(); err != nil {
		return nil, asFault(CheckSchema, err)
	}
	return s, asFault(CheckMetadata, s.checkMetadata(t))
}

// group compares a row group, of which our reader has returned the columns. The
// first of its rows is the file's row from.
func (s *secondReader) group(i int, columns []columnValues, from int64) error {
	several := false // whether the row group needs a page index
	pages := make([][]pageRef, len(columns))
	for j := range columns {
		var err error
		if pages[j], err = pagesOf(s.data, &s.ours.groups[i].chunks[j]); err != nil {
			name := s.tab.leaves[j].name()
			return &fault{CheckPage, name, warehouse.NoRow, fmt.Errorf("column %s: %w", name, err)}
		}
		several = several || len(dataPages(pages[j])) > 1
	}
	if err := s.checkGroup(i, pages); err != nil {
		return asFault(CheckRowGroup, fmt.Errorf("row group %d: %w", i, err))
	}
	for j := range columns {
		c := newSecondColumn(s, i, j, &columns[j], pages[j])
		if err := c.check(several); err != nil {
			check, row := CheckValues, from+int64(max(c.row, 0))
			if errors.As(err, new(claimError)) {
				check = CheckBounds
			}
			return &fault{check, c.leaf.name(), row, fmt.Errorf("column %s, row %d: %w", c.leaf.name(), row, err)}
		}
	}
	return nil
}

// name returns the leaf's path as people write it.
func (l *leafSpec) name() string {
	if l.shape == mapOf {
		return l.path[0] + "." + l.path[2]
	}
	return l.path[0]
}

// dataPages returns the pages without the dictionary.
func dataPages(pages []pageRef) []pageRef {
	if len(pages) > 0 && pages[0].page == pageDictionary {
		return pages[1:]
	}
	return pages
}

// guarded calls parquet-go and turns its panic into an error: the boundary that
// no fault of a foreign library passes. Nothing of ours belongs into the call.
func guarded(call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("parquet-go: panic: %v", p)
		}
	}()
	if err := call(); err != nil {
		return fmt.Errorf("parquet-go: %w", err)
	}
	return nil
}
