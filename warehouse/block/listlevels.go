package block

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// listLevels are the levels of one page of lists, decoded. They depend on
// nothing but their bytes and the number of slots.
//
// Why: the lists of a stacktrace have equal levels in each of nine columns. To
// compare bytes costs a fraction of decoding them again.
type listLevels struct {
	slots  int
	raw    []byte
	starts []int32 // of each list: its first value, counted from the page's
	values int
}

// maxKnownLevels is how many pages of a chunk have their levels remembered.
const maxKnownLevels = 16

// readLists appends the offsets of the lists in a page's slots, the page-th of
// the chunk, and returns the number of values, and the body after the levels.
func (c *chunkReader) readLists(page int, body []byte, slots int, leaf *leafSpec, out *columnValues) (int, []byte, error) {
	raw, err := rawLevels(body)
	if err != nil {
		return 0, nil, err
	}
	page = min(page, maxKnownLevels)
	for len(c.lists) <= page {
		c.lists = append(c.lists, listLevels{slots: -1})
	}
	l := &c.lists[page]
	if l.slots != slots || !bytes.Equal(l.raw, raw) {
		l.slots = -1 // until all is well
		if err := c.decodeLists(l, raw, slots); err != nil {
			return 0, nil, err
		}
		l.slots, l.raw = slots, append(l.raw[:0], raw...)
	}
	before := int32(out.count(leaf))
	for _, start := range l.starts {
		out.offsets = append(out.offsets, before+start)
	}
	return l.values, body[len(raw):], nil
}

// rawLevels returns the bytes of repetition and definition levels at the start
// of body.
func rawLevels(body []byte) ([]byte, error) {
	at := 0
	for range 2 {
		if len(body)-at < 4 {
			return nil, errShort
		}
		size := binary.LittleEndian.Uint32(body[at:])
		at += 4
		if uint64(size) > uint64(len(body)-at) {
			return nil, errShort
		}
		at += int(size)
	}
	return body[:at], nil
}

func (c *chunkReader) decodeLists(l *listLevels, raw []byte, slots int) (err error) {
	if c.reps, raw, err = appendLevelsOf(c.reps[:0], raw, slots); err != nil {
		return err
	}
	if c.defs, _, err = appendLevelsOf(c.defs[:0], raw, slots); err != nil {
		return err
	}
	l.starts, l.values = l.starts[:0], 0
	for i, rep := range c.reps {
		switch {
		case rep == 0:
			l.starts = append(l.starts, int32(l.values))
		case i == 0 || c.defs[i] == 0 || c.defs[i-1] == 0:
			return fmt.Errorf("slot %d continues a list that is empty", i)
		}
		l.values += int(c.defs[i])
	}
	return nil
}
