package compactor

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// runKey is the order of samples down to the profile.
type runKey struct {
	service, typ string
	series       warehouse.SeriesID
	time         warehouse.Micros
	profile      warehouse.ProfileID
}

func (k *runKey) compare(o *runKey) int {
	if c := strings.Compare(k.service, o.service); c != 0 {
		return c
	}
	if c := strings.Compare(k.typ, o.typ); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(k.series, o.series), cmp.Compare(k.time, o.time), bytes.Compare(k.profile[:], o.profile[:]))
}

// cursor stands on a run of one input's samples.
type cursor struct {
	part   *warehouse.Part
	reader *block.SampleReader
	group  block.SampleGroup
	run    int // in the group
	from   int // first row of the run
	key    runKey
	known  entries // what is known of the group's stacktraces
	totals bool    // and whether that is for totals, too
	masks  mask    // of the part
}

// openCursor returns a cursor on the first run, or nil for a file without rows.
func openCursor(p *warehouse.Part, data []byte, totals bool, masks mask) (*cursor, error) {
	r, err := block.NewSampleReader(data)
	if err != nil {
		return nil, inputError(p, warehouse.TableSamples, err)
	}
	c := &cursor{part: p, reader: r, totals: totals, masks: masks}
	switch err := c.nextGroup(); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return c, nil
}

// next moves to the next run, or returns io.EOF. A run that is not behind the one
// before is a Corrupt error: merging relies on the order.
func (c *cursor) next() error {
	before := c.key
	c.from = c.current().End
	c.run++
	if c.run < len(c.group.Runs) {
		c.load()
	} else if err := c.nextGroup(); err != nil {
		return err
	}
	// A run may go on in the next row group.
	if order := before.compare(&c.key); order > 0 || order == 0 && c.run > 0 {
		return inputError(c.part, warehouse.TableSamples, warehouse.Errorf(warehouse.Corrupt,
			"samples of service %q, type %q, series %d at %s are not in order", c.key.service, c.key.typ, c.key.series, c.key.time))
	}
	return nil
}

func (c *cursor) nextGroup() error {
	if err := c.reader.Next(&c.group); err != nil {
		if errors.Is(err, io.EOF) {
			return err
		}
		return inputError(c.part, warehouse.TableSamples, err)
	}
	c.run, c.from = 0, 0
	c.known.reset(len(c.group.Stacks), c.totals)
	c.load()
	return nil
}

func (c *cursor) current() *block.SampleRun { return &c.group.Runs[c.run] }

func (c *cursor) load() {
	r := c.current()
	c.key = runKey{c.group.Services[r.Service], c.group.Types[r.Type], r.Series, r.Time, r.Profile}
}

// entries remembers, for each distinct stacktrace of a row group, what would
// otherwise be looked up for every row.
type entries struct {
	used []uint32 // number of the block in which it is known to be used
	set  []uint32 // number of the dataset whose totals it has a place in …
	slot []uint32 // … and the place
}

func (e *entries) reset(n int, totals bool) {
	e.used = zeroed(e.used, n)
	if totals {
		e.set, e.slot = zeroed(e.set, n), zeroed(e.slot, n)
	}
}

func zeroed(s []uint32, n int) []uint32 {
	if cap(s) < n {
		return make([]uint32, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// cursors is a heap by key.
type cursors []*cursor

// Len implements heap.Interface.
func (h cursors) Len() int { return len(h) }

// Less implements heap.Interface.
func (h cursors) Less(i, j int) bool { return h[i].key.compare(&h[j].key) < 0 }

// Swap implements heap.Interface.
func (h cursors) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *cursors) Push(x any) { *h = append(*h, x.(*cursor)) }

// Pop implements heap.Interface.
func (h *cursors) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// inputError names the object that err is about. It keeps the kind.
func inputError(p *warehouse.Part, t warehouse.Table, err error) error {
	return warehouse.Errorf(warehouse.KindOf(err), "read %s of object %s, hour %s: %w", t, p.Object, p.Hour, err)
}
