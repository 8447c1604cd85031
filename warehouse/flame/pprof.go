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
// no trace. A frame without symbols (it has an address, or no name at all)
// becomes a location without a line, as tools expect that look for symbols.
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
	newPprofWriter(v, p, e.grown(v.paths)).writeSamples()
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

	steps   []locationStep // of a node
	height  []int32        // of a node: locations on its path
	inlined interner[inlinedCall]

	locations []*profile.Location // by number; nil until used
	functions []*profile.Function // by number in symbols; nil until used
	mappings  []*profile.Mapping  // likewise
	rooms     struct {
		locations slab[profile.Location]
		lines     slab[profile.Line]
		functions slab[profile.Function]
	}
}

// locationStep says how a path ends: in the location with this number, below
// the node caller.
//
// A location is a frame and, if that is inlined, the frames above it up to the
// first that is not. Below len(frames) its number is that of its only frame;
// the others, less len(frames), are numbers of inlined.
type locationStep struct {
	location uint32
	caller   int32
}

// inlinedCall is a location with one inlined frame more than the location that
// calls it. Both are numbers as in locationStep.
type inlinedCall struct{ caller, frame uint32 }

func newPprofWriter(v view, p *profile.Profile, g growth) *pprofWriter {
	frames := v.rankFrames(g.key[1:])
	w := &pprofWriter{
		symbols:   v,
		profile:   p,
		frames:    frames.sorted,
		inlined:   newInterner[inlinedCall](),
		functions: make([]*profile.Function, len(v.functions)),
		mappings:  make([]*profile.Mapping, len(v.mappings)),
	}
	var to []int32
	w.shape, to = g.canonical(make([]string, len(w.frames)), frames.ofAll(g.key[1:]))
	w.self = move(g.self, to, len(to))
	w.findLocations()
	return w
}

func (w *pprofWriter) findLocations() {
	w.steps, w.height = make([]locationStep, w.size()), make([]int32, w.size())
	isInlined := make([]bool, len(w.frames))
	for i, f := range w.frames {
		isInlined[i] = w.symbols.frames[f].inlined
	}
	for n := range int32(w.size()) {
		from, to := w.children(n)
		for c := from; c < to; c++ {
			s := locationStep{location: uint32(w.name[c]), caller: n}
			if isInlined[s.location] && n > 0 {
				inlined, _ := w.inlined.intern(inlinedCall{caller: w.steps[n].location, frame: s.location})
				s = locationStep{location: uint32(len(w.frames)) + inlined, caller: w.steps[n].caller}
			}
			w.steps[c] = s
			w.height[c] = w.height[s.caller] + 1
		}
	}
	w.locations = make([]*profile.Location, len(w.frames)+len(w.inlined.keys))
}

// framesOf calls fn for the frames of a location, the innermost first.
func (w *pprofWriter) framesOf(location uint32, fn func(f *frame)) {
	single := uint32(len(w.frames))
	for location >= single {
		call := w.inlined.keys[location-single]
		fn(&w.symbols.frames[w.frames[call.frame]])
		location = call.caller
	}
	fn(&w.symbols.frames[w.frames[location]])
}

func (w *pprofWriter) writeSamples() {
	samples, refs := 0, 0
	for n, v := range w.self {
		if v > 0 {
			samples++
			refs += int(w.height[n])
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
		values[i] = w.self[n]
		s := &room[i]
		s.Value, s.Location = values[i:i+1:i+1], locations[:height:height]
		locations = locations[height:]
		for at := range s.Location {
			step := w.steps[n]
			s.Location[at] = w.location(step.location)
			n = step.caller
		}
		w.profile.Sample = append(w.profile.Sample, s)
		return true
	}, nil)
}

func (w *pprofWriter) location(number uint32) *profile.Location {
	if l := w.locations[number]; l != nil {
		return l
	}
	l := &w.rooms.locations.take(1)[0]
	w.locations[number] = l
	w.profile.Location = append(w.profile.Location, l)
	l.ID = uint64(len(w.profile.Location))
	n := 0
	w.framesOf(number, func(*frame) { n++ })
	l.Line = w.rooms.lines.take(n)[:0]
	w.framesOf(number, func(f *frame) {
		if w.hasSymbols(f) {
			l.Line = append(l.Line, profile.Line{Function: w.function(f.function), Line: f.line})
		}
		l.Address = cmp.Or(l.Address, f.address)
		l.Mapping = cmp.Or(l.Mapping, w.mapping(f.mapping))
	})
	w.describeMapping(l)
	return l
}

// hasSymbols reports whether the frame's function is known. The name of a frame
// that has an address was made up from it, for people to see.
func (w *pprofWriter) hasSymbols(f *frame) bool {
	fn := &w.symbols.functions[f.function]
	return f.address == 0 && (fn.name != 0 || fn.system != 0)
}

func (w *pprofWriter) function(n uint32) *profile.Function {
	if f := w.functions[n]; f != nil {
		return f
	}
	strs, fn := w.symbols.strings, w.symbols.functions[n]
	f := &w.rooms.functions.take(1)[0]
	*f = profile.Function{
		ID:         uint64(len(w.profile.Function) + 1),
		Name:       cmp.Or(strs[fn.name], strs[fn.system]),
		SystemName: strs[fn.system],
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

// slab hands out small slices from larger pieces of memory.
type slab[T any] struct{ free []T }

func (s *slab[T]) take(n int) []T {
	if n > len(s.free) {
		s.free = make([]T, max(n, 512))
	}
	taken := s.free[:n:n]
	s.free = s.free[n:]
	return taken
}
