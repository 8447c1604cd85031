package flame

import (
	"cmp"
	"slices"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// AddColumns does the same as [Symbols.Add] with every definition, one after
// another. It copies what it keeps.
//
// Most of the work, to find equal frames and common beginnings of paths, is done
// within the batch and without the lock: several batches may be added at once on
// as many cores. Under the lock it takes as long as the batch has distinct
// strings, frames and steps of paths, which are few compared to its frames.
func (s *Symbols) AddColumns(c *warehouse.StackColumns) {
	b := batches.Get().(*batch)
	defer b.release()
	b.columns = c
	b.rows = s.appendUnknown(b.rows[:0], c.IDs)
	if len(b.rows) == 0 {
		return
	}
	b.prepare()
	s.mu.Lock()
	defer s.mu.Unlock()
	b.addTo(s)
	s.measure()
}

// appendUnknown appends the places of those ids that are not known.
func (s *Symbols) appendUnknown(dst []int32, ids []warehouse.StacktraceID) []int32 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i, id := range ids {
		if _, known := s.stacks.find(id); !known {
			dst = append(dst, int32(i))
		}
	}
	return dst
}

// batch is definitions of which frames are interned already, with numbers of the
// batch, and paths are sorted, so that what a path shares with any other it
// shares with its neighbour.
//
// Ownership: all but columns is scratch memory, which release keeps.
type batch struct {
	columns *warehouse.StackColumns
	frames  interner[batchFrame]
	last    []uint32 // of a function's index: the frame seen last with it + 1, or 0
	path    []uint32 // of a frame of the columns: its number in frames
	rows    []int32  // of the stacktraces in columns
	shared  []int32  // of a stacktrace of rows: how many frames from the root it shares with that before

	// What addTo uses: numbers here → numbers in the Symbols.
	toFrame                                     []uint32
	functions, systems, files, mappings, builds texts
	nodes                                       []uint32 // of a path: node by depth
	leaves                                      []uint32 // of a row of columns: its node + 1, or 0
}

// batchFrame is a frame whose strings are indices into the columns' texts. Since
// these may have equal ones, equal frames may differ here. There are no gaps
// between fields, so that it is hashed at once.
type batchFrame struct {
	line, start            int64
	address                uint64
	function, system, file uint32
	mapping, buildID       uint32
	inlined                bool
}

var batches = sync.Pool{New: func() any { return &batch{frames: newInterner[batchFrame]()} }}

// keepFrames is the number of frames of the largest batch whose memory is kept
// for the next one.
const keepFrames = 1 << 18

// release lets go of the columns and returns the batch to batches.
func (b *batch) release() {
	if cap(b.path) > keepFrames {
		return
	}
	b.columns = nil
	b.frames.reset()
	for _, t := range []*texts{&b.functions, &b.systems, &b.files, &b.mappings, &b.builds} {
		t.symbols, t.texts = nil, nil
	}
	batches.Put(b)
}

// prepare interns the frames of the rows and sorts the rows by path.
func (b *batch) prepare() {
	b.last = zeroed(b.last, len(b.columns.Functions.Texts))
	b.path = zeroed(b.path, len(b.columns.Lines))
	for _, row := range b.rows {
		for j := b.columns.Offsets[row]; j < b.columns.Offsets[row+1]; j++ {
			b.path[j] = b.frame(int(j))
		}
	}
	slices.SortFunc(b.rows, func(x, y int32) int { return comparePaths(b.pathOf(x), b.pathOf(y)) })
	b.shared = zeroed(b.shared, len(b.rows))
	for i := 1; i < len(b.rows); i++ {
		b.shared[i] = int32(sharedFrames(b.pathOf(b.rows[i-1]), b.pathOf(b.rows[i])))
	}
}

// frame interns the j-th frame of the columns. A function is mostly at the line
// at which it was seen last.
func (b *batch) frame(j int) uint32 {
	c := b.columns
	f := batchFrame{
		line:     c.Lines[j],
		start:    c.StartLines[j],
		address:  uint64(c.Addresses[j]),
		function: c.Functions.Index[j],
		system:   c.SystemNames.Index[j],
		file:     c.Filenames.Index[j],
		mapping:  c.Mappings.Index[j],
		buildID:  c.BuildIDs.Index[j],
		inlined:  c.Inlined[j] == 1,
	}
	last := &b.last[f.function]
	if *last == 0 || b.frames.keys[*last-1] != f {
		n, _ := b.frames.intern(f)
		*last = n + 1
	}
	return *last - 1
}

// pathOf returns the numbers of a row's frames, leaf first.
func (b *batch) pathOf(row int32) []uint32 {
	return b.path[b.columns.Offsets[row]:b.columns.Offsets[row+1]]
}

// comparePaths orders paths from the root.
func comparePaths(x, y []uint32) int {
	n := sharedFrames(x, y)
	if n == len(x) || n == len(y) {
		return cmp.Compare(len(x), len(y))
	}
	return cmp.Compare(x[len(x)-1-n], y[len(y)-1-n])
}

// sharedFrames returns the number of frames from the root, which is last, that
// are equal.
func sharedFrames(x, y []uint32) int {
	most := min(len(x), len(y))
	x, y = x[len(x)-most:], y[len(y)-most:]
	for i := most - 1; i >= 0; i-- {
		if x[i] != y[i] {
			return most - 1 - i
		}
	}
	return most
}

// addTo must be called with the lock of s held.
func (b *batch) addTo(s *Symbols) {
	b.addFrames(s)
	b.nodes = append(b.nodes[:0], 0)
	b.leaves = zeroed(b.leaves, len(b.columns.IDs))
	for i, row := range b.rows {
		path := b.pathOf(row)
		shared := int(b.shared[i])
		b.nodes = b.nodes[:shared+1]
		for _, f := range slices.Backward(path[:len(path)-shared]) {
			b.nodes = append(b.nodes, s.step(b.nodes[len(b.nodes)-1], b.toFrame[f]))
		}
		b.leaves[row] = b.nodes[len(path)] + 1
	}
	for row, leaf := range b.leaves { // in this order: should an id come twice, the first counts
		if leaf > 0 {
			s.stack(b.columns.IDs[row], leaf-1)
		}
	}
}

// addFrames fills toFrame.
func (b *batch) addFrames(s *Symbols) {
	c := b.columns
	b.functions.open(s, &c.Functions)
	b.systems.open(s, &c.SystemNames)
	b.files.open(s, &c.Filenames)
	b.mappings.open(s, &c.Mappings)
	b.builds.open(s, &c.BuildIDs)
	b.toFrame = b.toFrame[:0]
	for i := range b.frames.keys {
		f := &b.frames.keys[i]
		name := b.functions.number(f.function)
		system := name
		if b.systems.texts[f.system] != b.functions.texts[f.function] { // mostly they are equal
			system = b.systems.number(f.system)
		}
		fn, _ := s.functions.intern(function{start: f.start, name: name, system: system, file: b.files.number(f.file)})
		m, _ := s.mappings.intern(mapping{name: b.mappings.number(f.mapping), buildID: b.builds.number(f.buildID)})
		b.toFrame = append(b.toFrame, s.internFrame(frame{line: f.line, address: f.address, function: fn, mapping: m, inlined: f.inlined}))
	}
}

// texts interns those texts of a column that are asked for, once each.
type texts struct {
	symbols *Symbols
	texts   []string
	numbers []uint32 // of a text: its number in symbols + 1, or 0
}

func (t *texts) open(s *Symbols, c *warehouse.TextColumn) {
	t.symbols, t.texts = s, c.Texts
	t.numbers = zeroed(t.numbers, len(c.Texts))
}

func (t *texts) number(i uint32) uint32 {
	if t.numbers[i] == 0 {
		t.numbers[i] = t.symbols.string(t.texts[i]) + 1
	}
	return t.numbers[i] - 1
}

// zeroed returns n zeros, in the memory of old if it is enough.
func zeroed[T int32 | uint32](old []T, n int) []T {
	if cap(old) < n {
		return make([]T, n)
	}
	old = old[:n]
	clear(old)
	return old
}
