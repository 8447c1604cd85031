package flame

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Symbols holds the definitions of a tenant's stacktraces: what their ids stand
// for. Everything in it is interned: strings, functions, frames, and stacktraces
// as paths of a trie, so that 26,000 stacktraces of 30 frames take a few
// megabytes, and a tree of function names over them exists already when it is
// asked for.
//
// Ids are content hashes, so a definition never changes and nothing in Symbols
// goes stale. It only grows: to bound it, start another one with [NewSymbolsFrom]
// (see warehouse/cache).
//
// Concurrency: all methods may be called by many goroutines.
type Symbols struct {
	size atomic.Int64 // see SizeBytes

	// prev is asked for what is missing here; nil if there is none. Its lock is
	// taken while mu is held; since it is older, never the other way round.
	prev atomic.Pointer[Symbols]

	mu sync.RWMutex // guards all below

	text      int64            // bytes of strings
	strings   interner[string] // Invariant: number 0 is ""
	mappings  interner[mapping]
	functions interner[function]
	frames    interner[frame]
	names     []uint32 // of a frame: the string that trees call it by

	paths trie     // of frames, from the root
	calls trie     // of names (strings), from the root
	call  []uint32 // of a node of paths: the node of calls

	stacks interner[warehouse.StacktraceID]
	leaves []uint32 // of a stack: its node of paths
}

// view is what a Symbols held at some time. Numbered things are only ever added
// and never change, so a view needs no lock.
type view struct {
	strings   []string
	mappings  []mapping
	functions []function
	frames    []frame
	paths     []trieNode
	calls     []trieNode
	call      []uint32
}

// view must be called with the lock held.
func (s *Symbols) view() view {
	return view{
		strings:   s.strings.keys,
		mappings:  s.mappings.keys,
		functions: s.functions.keys,
		frames:    s.frames.keys,
		paths:     s.paths.nodes,
		calls:     s.calls.nodes,
		call:      s.call,
	}
}

// NewSymbols returns an empty Symbols.
func NewSymbols() *Symbols {
	s := &Symbols{
		strings:   newInterner[string](),
		mappings:  newInterner[mapping](),
		functions: newInterner[function](),
		frames:    newInterner[frame](),
		paths:     newTrie(),
		calls:     newTrie(),
		call:      []uint32{0},
		stacks:    newInterner[warehouse.StacktraceID](),
	}
	s.string("") // is number 0
	s.measure()
	return s
}

// NewSymbolsFrom returns an empty Symbols that takes over from prev: what it is
// asked for and prev has, it copies from there.
//
// prev forgets its own predecessor, so that no chain of them is kept alive.
// Whoever still uses prev keeps what it has.
func NewSymbolsFrom(prev *Symbols) *Symbols {
	prev.Detach()
	s := NewSymbols()
	s.prev.Store(prev)
	return s
}

// Detach forgets the Symbols that s takes over from, if there is one. It does
// not wait for a lock.
func (s *Symbols) Detach() { s.prev.Store(nil) }

// Add remembers a definition. It copies what it keeps; a known id is ignored.
// [Symbols.AddColumns] is many times faster for many.
func (s *Symbols) Add(st warehouse.Stacktrace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.stacks.find(st.ID); known {
		return
	}
	var node uint32
	for i := len(st.Frames) - 1; i >= 0; i-- {
		node = s.step(node, s.frame(&st.Frames[i]))
	}
	s.stack(st.ID, node)
	s.measure()
}

// Missing appends to dst those of ids whose definitions must still be added
// before they can be used; an id that is in ids twice may be appended twice.
func (s *Symbols) Missing(dst, ids []warehouse.StacktraceID) []warehouse.StacktraceID {
	from := len(dst)
	s.mu.RLock()
	for _, id := range ids {
		if _, ok := s.stacks.find(id); !ok {
			dst = append(dst, id)
		}
	}
	s.mu.RUnlock()
	prev := s.prev.Load()
	if len(dst) == from || prev == nil {
		return dst
	}
	return append(dst[:from], s.adopt(prev, dst[from:])...)
}

// adopt copies the definitions of ids from prev and returns the ids, in the
// same memory, that prev does not have either.
func (s *Symbols) adopt(prev *Symbols, ids []warehouse.StacktraceID) []warehouse.StacktraceID {
	s.mu.Lock()
	defer s.mu.Unlock()
	prev.mu.RLock()
	defer prev.mu.RUnlock()

	missing := ids[:0]
	c := copier{from: prev, to: s, nodes: map[uint32]uint32{0: 0}, frames: map[uint32]uint32{}}
	for _, id := range ids {
		if n, ok := prev.stacks.find(id); ok {
			s.stack(id, c.path(prev.leaves[n]))
		} else {
			missing = append(missing, id)
		}
	}
	s.measure()
	return missing
}

// copier copies paths and remembers what it has copied: the number in from, and
// the number in to.
type copier struct {
	from, to *Symbols
	nodes    map[uint32]uint32
	frames   map[uint32]uint32
	pending  []uint32 // reused
}

// path copies the path that ends at node.
func (c *copier) path(node uint32) uint32 {
	c.pending = c.pending[:0] // what is not copied yet, leaf first
	at, ok := c.nodes[node]
	for !ok {
		c.pending = append(c.pending, node)
		node = c.from.paths.nodes[node].parent
		at, ok = c.nodes[node]
	}
	for _, n := range slices.Backward(c.pending) {
		at = c.to.step(at, c.frame(c.from.paths.nodes[n].key))
		c.nodes[n] = at
	}
	return at
}

func (c *copier) frame(n uint32) uint32 {
	f, ok := c.frames[n]
	if !ok {
		def := c.from.expand(n)
		f = c.to.frame(&def)
		c.frames[n] = f
	}
	return f
}

// AppendFrames appends the definition of a stacktrace, leaf first, and reports
// whether it is known.
func (s *Symbols) AppendFrames(dst []warehouse.Frame, id warehouse.StacktraceID) ([]warehouse.Frame, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n, ok := s.stacks.find(id)
	if !ok {
		return dst, false
	}
	for node := s.leaves[n]; node != 0; node = s.paths.nodes[node].parent {
		dst = append(dst, s.expand(s.paths.nodes[node].key))
	}
	return dst, true
}

// SizeBytes returns the memory that s holds, without that of the Symbols it
// takes over from. It does not wait for a lock.
func (s *Symbols) SizeBytes() int64 { return s.size.Load() }

// Stacks returns the number of known stacktraces.
func (s *Symbols) Stacks() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.leaves)
}

// stack registers a leaf under an id; a known id is ignored.
func (s *Symbols) stack(id warehouse.StacktraceID, leaf uint32) {
	if _, isNew := s.stacks.intern(id); isNew {
		s.leaves = append(s.leaves, leaf)
	}
}

// step returns the path that extends the one that ends at node by a frame.
func (s *Symbols) step(node, frame uint32) uint32 {
	next, isNew := s.paths.child(node, frame)
	if isNew {
		call, _ := s.calls.child(s.call[node], s.names[frame])
		s.call = append(s.call, call)
	}
	return next
}

func (s *Symbols) string(v string) uint32 {
	if n, ok := s.strings.find(v); ok {
		return n
	}
	v = strings.Clone(v)
	n, _ := s.strings.intern(v)
	s.text += int64(len(v))
	return n
}

// measure takes stock of the memory in use, spare room included.
func (s *Symbols) measure() {
	n := s.strings.sizeBytes() + s.mappings.sizeBytes() + s.functions.sizeBytes() + s.frames.sizeBytes()
	n += s.paths.sizeBytes() + s.calls.sizeBytes() + s.stacks.sizeBytes()
	n += 4 * (cap(s.names) + cap(s.call) + cap(s.leaves))
	s.size.Store(int64(n) + s.text)
}
