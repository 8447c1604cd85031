package compactor

import (
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// stackTable holds definitions of stacktraces, one for each id, with frames and
// strings once each.
type stackTable struct {
	texts   map[string]string
	numbers map[warehouse.Frame]uint32
	frames  []warehouse.Frame
	paths   []uint32 // numbers of frames, leaf first
	defs    map[warehouse.StacktraceID]extent
}

// extent is the frames [from, to) of stackTable.paths.
type extent struct{ from, to int }

func newStackTable() *stackTable {
	return &stackTable{texts: map[string]string{}, numbers: map[warehouse.Frame]uint32{}, defs: map[warehouse.StacktraceID]extent{}}
}

// read adds the definitions of a file.
func (t *stackTable) read(p *warehouse.Part, data []byte) error {
	err := block.ReadStackColumns(data, nil, t.add)
	if err != nil {
		return inputError(p, warehouse.TableStacktraces, err)
	}
	return nil
}

// add adds the definitions that are not known. A known id with other frames is a
// Corrupt error.
func (t *stackTable) add(c *warehouse.StackColumns) error {
	var frames []warehouse.Frame
	for i, id := range c.IDs {
		frames = c.AppendFrames(frames[:0], i)
		if known, ok := t.defs[id]; ok {
			if !t.equal(known, frames) {
				return warehouse.Errorf(warehouse.Corrupt, "stacktrace %d has two definitions", id)
			}
			continue
		}
		from := len(t.paths)
		for j := range frames {
			t.paths = append(t.paths, t.number(&frames[j]))
		}
		t.defs[id] = extent{from, len(t.paths)}
	}
	return nil
}

// equal compares a definition with another, all but build ids: these are no part
// of a stacktrace's identity.
func (t *stackTable) equal(p extent, frames []warehouse.Frame) bool {
	if p.to-p.from != len(frames) {
		return false
	}
	for i := range frames {
		known, other := t.frames[t.paths[p.from+i]], frames[i]
		known.BuildID, other.BuildID = "", ""
		if known != other {
			return false
		}
	}
	return true
}

// number interns a frame, whose strings are pieces of larger ones.
func (t *stackTable) number(f *warehouse.Frame) uint32 {
	if n, ok := t.numbers[*f]; ok {
		return n
	}
	own := *f
	for _, s := range []*string{&own.Function, &own.SystemName, &own.Filename, &own.Mapping, &own.BuildID} {
		*s = t.text(*s)
	}
	n := uint32(len(t.frames))
	t.frames = append(t.frames, own)
	t.numbers[own] = n
	return n
}

func (t *stackTable) text(s string) string {
	if known, ok := t.texts[s]; ok {
		return known
	}
	own := string([]byte(s))
	t.texts[own] = own
	return own
}

// chunkFrames is about the most frames that are expanded at once.
const chunkFrames = 1 << 18

// write makes the file of the wanted definitions; nil wants all. An id without a
// definition breaks an invariant of storage: Corrupt.
func (t *stackTable) write(wanted map[warehouse.StacktraceID]struct{}) ([]byte, int64, error) {
	ids := make([]warehouse.StacktraceID, 0, len(t.defs))
	for id := range t.defs {
		if _, ok := wanted[id]; ok || wanted == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return writeTable(warehouse.TableStacktraces, func(add func(recordOf) error) error {
		for len(ids) > 0 {
			n, frames := 0, 0
			for n < len(ids) && (n == 0 || frames < chunkFrames) {
				p := t.defs[ids[n]]
				frames += p.to - p.from
				n++
			}
			if err := add(t.record(ids[:n], frames)); err != nil {
				return err
			}
			ids = ids[n:]
		}
		return nil
	})
}

// record expands definitions.
func (t *stackTable) record(ids []warehouse.StacktraceID, frames int) recordOf {
	all := make([]warehouse.Frame, 0, frames)
	stacks := make([]warehouse.Stacktrace, len(ids))
	for i, id := range ids {
		from := len(all)
		p := t.defs[id]
		for _, n := range t.paths[p.from:p.to] {
			all = append(all, t.frames[n])
		}
		stacks[i] = warehouse.Stacktrace{ID: id, Frames: all[from:]}
	}
	return block.StacktracesRecord(stacks)
}
