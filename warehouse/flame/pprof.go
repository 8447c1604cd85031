package flame

import (
	"cmp"
	"time"

	"github.com/google/pprof/profile"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// PprofMeta is what a pprof profile says about itself besides its type.
type PprofMeta struct {
	Start    time.Time     // zero: not said
	Duration time.Duration // that the samples cover; 0: not said
	Period   int64         // in the period's unit; 0: not said
}

// Pprof returns the stacktraces ids, with the values beside them, as one pprof
// profile with files, lines and binaries; lines that were inlined share a
// location with their caller. An id may occur more than once; zero values leave
// no trace. Frames without symbols become locations with an address and no line.
//
// Samples are in the order of their paths from the root, everything else in the
// order in which the samples use it, so that the profile does not depend on the
// order of ids. (The build id of a stacktrace is a hint and may differ.)
//
// Errors are those of [Build]. Ownership: the profile is the caller's.
func Pprof(s *Symbols, ids []warehouse.StacktraceID, values []int64, typ warehouse.ProfileType, meta PprofMeta) (*profile.Profile, error) {
	e, v, err := s.ends(ids, values)
	if err != nil {
		return nil, warehouse.Errorf(warehouse.KindOf(err), "build pprof: %w", err)
	}
	p := &profile.Profile{
		SampleType:        []*profile.ValueType{{Type: typ.SampleType, Unit: typ.SampleUnit}},
		DefaultSampleType: typ.SampleType,
		PeriodType:        &profile.ValueType{Type: typ.PeriodType, Unit: typ.PeriodUnit},
		Period:            meta.Period,
		DurationNanos:     meta.Duration.Nanoseconds(),
	}
	if !meta.Start.IsZero() {
		p.TimeNanos = meta.Start.UnixNano()
	}
	newPprofWriter(v, p, e.grown(&v.paths)).writeSamples()
	return p, nil
}

// pprofWriter fills a profile from the part of the trie of paths that carries
// values, put in the canonical order of frames.
type pprofWriter struct {
	symbols view
	profile *profile.Profile

	shape           // of paths; its names are not used
	frames []uint32 // what shape.name refers to
	self   []int64

	// A location is a frame and, if that is inlined, the frames above it up to
	// the first that is not. It is known by its node in the trie chains.
	chains trie
	chain  []uint32 // of a node: the location that ends in it
	caller []int32  // of a node: the node above that location
	height []int    // of a node: locations on its path

	locations []*profile.Location // of a node of chains; nil until used
	functions map[uint32]*profile.Function
	mappings  map[uint32]*profile.Mapping
	slab      slab[profile.Location]
}

func newPprofWriter(v view, p *profile.Profile, g growth) *pprofWriter {
	w := &pprofWriter{
		symbols:   v,
		profile:   p,
		chains:    newTrie(),
		functions: map[uint32]*profile.Function{},
		mappings:  map[uint32]*profile.Mapping{},
	}
	frames := v.rankFrames(g.key[1:])
	w.frames = frames.sorted
	var to []int32
	w.shape, to = g.canonical(make([]string, len(w.frames)), frames.ofAll(g.key[1:]))
	w.self = move(g.self, to, len(to))
	w.findLocations()
	return w
}

func (w *pprofWriter) findLocations() {
	size := w.size()
	w.chain, w.caller, w.height = make([]uint32, size), make([]int32, size), make([]int, size)
	for n := range int32(size) {
		from, to := w.children(n)
		for c := from; c < to; c++ {
			f := w.frames[w.name[c]]
			above := uint32(0)
			w.caller[c] = n
			if n > 0 && w.symbols.frames[f].inlined {
				above = w.chain[n]
				w.caller[c] = w.caller[n]
			}
			w.chain[c], _ = w.chains.child(above, f)
			w.height[c] = w.height[w.caller[c]] + 1
		}
	}
	w.locations = make([]*profile.Location, w.chains.size())
}

func (w *pprofWriter) writeSamples() {
	samples, refs := 0, 0
	for n, v := range w.self {
		if v > 0 {
			samples++
			refs += w.height[n]
		}
	}
	// One piece of memory for all of a kind: there are many and they are small.
	room := make([]profile.Sample, samples)
	values := make([]int64, samples)
	locations := make([]*profile.Location, refs)
	w.profile.Sample = make([]*profile.Sample, 0, samples)
	w.preorder(func(n int32, _ int) bool {
		if w.self[n] == 0 {
			return true
		}
		i, height := len(w.profile.Sample), w.height[n]
		room[i].Value = values[i : i+1 : i+1]
		room[i].Value[0] = w.self[n]
		room[i].Location = locations[:height:height]
		locations = locations[height:]
		for at := range room[i].Location {
			room[i].Location[at] = w.location(w.chain[n])
			n = w.caller[n]
		}
		w.profile.Sample = append(w.profile.Sample, &room[i])
		return true
	}, nil)
}

// location returns the location that ends in a node of chains.
func (w *pprofWriter) location(chain uint32) *profile.Location {
	if l := w.locations[chain]; l != nil {
		return l
	}
	l := w.slab.next()
	w.locations[chain] = l
	w.profile.Location = append(w.profile.Location, l)
	l.ID = uint64(len(w.profile.Location))
	for ; chain != 0; chain = w.chains.parent[chain] {
		f := w.symbols.frames[w.chains.key[chain]]
		if fn := w.function(f.function); fn != nil {
			l.Line = append(l.Line, profile.Line{Function: fn, Line: f.line})
		}
		l.Address = cmp.Or(l.Address, f.address)
		if l.Mapping == nil {
			l.Mapping = w.mapping(f.mapping)
		}
	}
	w.describeMapping(l)
	return l
}

// function returns nil for the function without a name: that of a frame without
// symbols.
func (w *pprofWriter) function(n uint32) *profile.Function {
	if f := w.functions[n]; f != nil {
		return f
	}
	strs, fn := w.symbols.strings, w.symbols.functions[n]
	name, system := strs[fn.name], strs[fn.system]
	if name == "" && system == "" {
		return nil
	}
	f := &profile.Function{
		ID:         uint64(len(w.profile.Function) + 1),
		Name:       cmp.Or(name, system),
		SystemName: system,
		Filename:   strs[fn.file],
		StartLine:  fn.start,
	}
	w.functions[n] = f
	w.profile.Function = append(w.profile.Function, f)
	return f
}

// mapping returns nil for the mapping without a name and build id.
func (w *pprofWriter) mapping(n uint32) *profile.Mapping {
	if m := w.mappings[n]; m != nil {
		return m
	}
	strs, key := w.symbols.strings, w.symbols.mappings[n]
	name, buildID := strs[key.name], strs[key.buildID]
	if name == "" && buildID == "" {
		return nil
	}
	m := &profile.Mapping{
		ID:              uint64(len(w.profile.Mapping) + 1),
		File:            name,
		BuildID:         buildID,
		HasFunctions:    true,
		HasFilenames:    true,
		HasLineNumbers:  true,
		HasInlineFrames: true,
	}
	w.mappings[n] = m
	w.profile.Mapping = append(w.profile.Mapping, m)
	return m
}

// describeMapping takes back what the mapping says about its symbols if l has
// none, so that tools look for them, and extends it over l's address.
func (w *pprofWriter) describeMapping(l *profile.Location) {
	m := l.Mapping
	if m == nil || len(l.Line) > 0 {
		return
	}
	m.HasFunctions, m.HasFilenames, m.HasLineNumbers, m.HasInlineFrames = false, false, false, false
	m.Limit = max(m.Limit, l.Address+1)
}

// slab hands out single values from larger pieces of memory.
type slab[T any] struct{ free []T }

func (s *slab[T]) next() *T {
	if len(s.free) == 0 {
		s.free = make([]T, 512)
	}
	v := &s.free[0]
	s.free = s.free[1:]
	return v
}
