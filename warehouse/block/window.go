package block

import "fmt"

// window reads a required column of a row group forwards, a page at a time, and keeps
// the rows that are in use: a merge of hundreds of files holds a page of each, not
// their row groups.
type window struct {
	data  []byte
	ref   *chunkRef
	leaf  *leafSpec
	pages []pageAt
	next  int // page

	keepsIndex bool // rows has the indices into the dictionary, not its entries
	dictionary columnValues
	entries    uint32

	base int // row of the first of rows
	rows columnValues
}

// pageAt is a data page and where its header begins.
type pageAt struct {
	pos    int
	header pageHeader
}

// open begins with the first row of a group, and reuses memory but for that of the
// dictionary. A column that keeps its index must be indexed, or is not to be loaded.
func (w *window) open(chunks *chunkReader, data []byte, tab *table, group *groupRef, column int, keepsIndex bool) (err error) {
	w.data, w.ref, w.leaf, w.keepsIndex = data, &group.chunks[column], &tab.leaves[column], keepsIndex
	w.pages, w.next, w.base, w.entries = w.pages[:0], 0, 0, 0
	w.dictionary = columnValues{}
	w.rows.reset()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			err = fmt.Errorf("column %s: %w", w.leaf.path[0], err)
		}
	}()
	slots := int64(0)
	r := thriftReader{data: data[:w.ref.start()+w.ref.size], pos: int(w.ref.start())}
	for r.pos < len(r.data) {
		at := r.pos
		h := readPageHeader(&r)
		switch {
		case r.err != nil:
			return fmt.Errorf("page header: %w", r.err)
		case h.page == pageDictionary && slots == 0 && w.entries == 0:
			if err := w.readDictionary(chunks, &r, &h); err != nil {
				return fmt.Errorf("page at byte %d: %w", at, err)
			}
			continue
		case h.page != pageData || int64(h.values) > w.ref.slots-slots:
			return fmt.Errorf("page at byte %d: unexpected page of type %d with %d values", at, h.page, h.values)
		}
		w.pages = append(w.pages, pageAt{r.pos, h})
		slots += int64(h.values)
		r.pos += int(h.size)
	}
	if slots != w.ref.slots || slots != group.rows {
		return fmt.Errorf("%d values, want %d in %d rows", slots, w.ref.slots, group.rows)
	}
	return nil
}

// readDictionary reads the dictionary page, which r stands behind the header of.
func (w *window) readDictionary(chunks *chunkReader, r *thriftReader, h *pageHeader) error {
	body, err := chunks.pageBody(r, h, w.ref.codec)
	if err != nil {
		return err
	}
	chunks.dictionary, w.dictionary = w.dictionary, chunks.dictionary
	chunks.dictionary.reset()
	chunks.dictionary.ints = make([]int64, 0, h.values)
	err = chunks.readDictionary(body, h, w.leaf, &w.rows)
	chunks.dictionary, w.dictionary = w.dictionary, chunks.dictionary
	w.entries = chunks.entries
	return err
}

// isIndexed reports whether all rows are indices into the dictionary.
func (w *window) isIndexed() bool {
	for i := range w.pages {
		if w.pages[i].header.encoding != encodingDictionary {
			return false
		}
	}
	return true
}

// load reads pages until the rows before end are there, and drops those before from.
func (w *window) load(from, end int) (err error) {
	if end-w.base <= w.count() {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			err = fmt.Errorf("column %s: %w", w.leaf.path[0], err)
		}
	}()
	w.rows.ints = dropFirst(w.rows.ints, from-w.base)
	w.rows.index = dropFirst(w.rows.index, from-w.base)
	w.base = from
	chunks := chunkReaders.Get().(*chunkReader)
	defer chunks.release()
	for end-w.base > w.count() {
		if w.next == len(w.pages) {
			return errShort
		}
		if err := w.readPage(chunks, &w.pages[w.next]); err != nil {
			return fmt.Errorf("page at byte %d: %w", w.pages[w.next].pos, err)
		}
		w.next++
	}
	return nil
}

func (w *window) readPage(chunks *chunkReader, p *pageAt) error {
	r := thriftReader{data: w.data, pos: p.pos}
	body, err := chunks.pageBody(&r, &p.header, w.ref.codec)
	if err != nil {
		return err
	}
	chunks.dictionary, w.dictionary = w.dictionary, chunks.dictionary
	chunks.entries, chunks.keepsIndex = w.entries, w.keepsIndex
	defer func() { // whatever readPage does: readers are reused
		chunks.dictionary, w.dictionary = w.dictionary, chunks.dictionary
		chunks.keepsIndex = false
	}()
	return chunks.readPage(w.next, body, &p.header, w.leaf, w.entries > 0, &w.rows)
}

func (w *window) count() int {
	if w.keepsIndex {
		return len(w.rows.index)
	}
	return len(w.rows.ints)
}

// dropFirst removes the first n elements, or all of them.
func dropFirst[T any](s []T, n int) []T {
	if n >= len(s) {
		return s[:0]
	}
	return s[:copy(s, s[n:])]
}
