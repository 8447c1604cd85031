package profile

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// symbolizer computes the identities of a profile's functions, locations and
// stacks, each once, and fills the tables of its definitions on the way.
type symbolizer struct {
	functions []functionFact
	mappings  []mappingFact
	locations []locationFact
	record    []byte // scratch: one record of the canonical encoding

	p        *Profile
	defs     *definitions
	maxText  int
	cut      bool   // a name was cut
	textFrom uint32 // range of the body that holds all names in use
	textEnd  uint32
}

type functionFact struct {
	hash uint64
	size uint64 // bytes of its names
}

type mappingFact struct {
	base       string
	binary     string // build id, else file
	size       uint64 // bytes of the names a frame shows of it
	relocation uint64 // what makes an address relative to the file
}

type locationFact struct {
	hash   uint64
	frames uint32
	size   uint64 // bytes of its frames, written out
}

// frameBytes is what a frame takes beside its names when it is written out:
// lines, address, flags and the offsets of its strings.
const frameBytes = 64

// load computes all identities but those of stacks.
func (s *symbolizer) load(p *Profile, defs *definitions, lim *Limits) {
	s.p, s.defs, s.maxText, s.cut = p, defs, lim.MaxSymbolBytes, false
	s.textFrom, s.textEnd = uint32(len(p.Body)), 0
	s.loadFunctions()
	s.loadMappings()
	s.loadLocations()
	if s.textFrom < s.textEnd {
		defs.text, defs.textFrom = string(p.Body[s.textFrom:s.textEnd]), s.textFrom
	}
}

func (s *symbolizer) release() {
	clear(s.mappings)
	s.functions, s.mappings, s.locations = reuse(s.functions), reuse(s.mappings), reuse(s.locations)
	s.record = reuse(s.record)
	s.p, s.defs = nil, nil
}

// text returns where a name lies, cut to the limit, and what it says.
func (s *symbolizer) text(i uint32) (Text, string) {
	t := s.p.Strings[i]
	name := textOf(s.p.Body, t)
	if len(name) > s.maxText {
		name, s.cut = cutText(name, s.maxText), true
		t.Size = uint32(len(name))
	}
	if t.Size > 0 {
		s.textFrom, s.textEnd = min(s.textFrom, t.Offset), max(s.textEnd, t.Offset+t.Size)
	}
	return t, name
}

func (s *symbolizer) loadFunctions() {
	s.functions = slices.Grow(s.functions, len(s.p.Functions))
	s.defs.functions = make([]functionDef, len(s.p.Functions))
	record := s.record // a store to s for each record would cost a write barrier
	for i := range s.p.Functions {
		f, def := &s.p.Functions[i], &s.defs.functions[i]
		var name, system, file string
		def.name, name = s.text(f.Name)
		def.system, system = s.text(f.SystemName)
		def.file, file = s.text(f.File)
		def.startLine = f.StartLine
		record = appendFunction(record[:0], name, system, file, f.StartLine)
		s.functions = append(s.functions, functionFact{hashRecord(record), uint64(len(name) + len(system) + len(file))})
	}
	s.record = record
}

func (s *symbolizer) loadMappings() {
	s.mappings = append(slices.Grow(s.mappings, len(s.p.Mappings)+1), mappingFact{})
	s.defs.mappings = make([]mappingDef, len(s.p.Mappings)+1)
	for i := range s.p.Mappings {
		m, def := &s.p.Mappings[i], &s.defs.mappings[i+1]
		file, path := s.text(m.File)
		build, id := s.text(m.BuildID)
		base := baseName(path)
		*def = mappingDef{base: Text{file.Offset + file.Size - uint32(len(base)), uint32(len(base))}, build: build}
		fact := mappingFact{base: base, binary: id, size: uint64(len(base) + len(id)), relocation: m.Offset - m.Start}
		if id == "" {
			fact.binary = path
		}
		s.mappings = append(s.mappings, fact)
	}
}

// baseName returns what follows the last slash or backslash.
func baseName(path string) string {
	return path[strings.LastIndexAny(path, `/\`)+1:]
}

func (s *symbolizer) loadLocations() {
	p, record := s.p, s.record
	lines := make([]lineDef, 0, len(p.Lines)+s.countUnsymbolised())
	s.locations = slices.Grow(s.locations, len(p.Locations))
	s.defs.locations = make([]locationDef, len(p.Locations)+1)
	for i := range p.Locations {
		l := &p.Locations[i]
		s.defs.locations[i] = locationDef{uint32(len(lines)), l.Mapping}
		var fact locationFact
		if l.FirstLine == l.LinesEnd {
			m := &s.mappings[l.Mapping]
			address := l.Address + m.relocation
			lines = append(lines, lineDef{noFunction, int64(address)})
			record = appendAddress(record[:0], m.binary, address)
			fact = locationFact{frames: 1, size: frameBytes + m.size}
		} else {
			for _, line := range p.Lines[l.FirstLine:l.LinesEnd] {
				lines = append(lines, lineDef{line.Function, line.Line})
			}
			record, fact = s.location(record[:0], l)
		}
		fact.hash = hashRecord(record)
		s.locations = append(s.locations, fact)
	}
	s.defs.locations[len(p.Locations)].firstLine = uint32(len(lines))
	s.defs.lines, s.record = lines, record
}

func (s *symbolizer) countUnsymbolised() int {
	n := 0
	for i := range s.p.Locations {
		if s.p.Locations[i].FirstLine == s.p.Locations[i].LinesEnd {
			n++
		}
	}
	return n
}

// location appends the record of a location that has lines, and returns its facts
// but for the hash.
func (s *symbolizer) location(record []byte, l *Location) ([]byte, locationFact) {
	m := &s.mappings[l.Mapping]
	lines := s.p.Lines[l.FirstLine:l.LinesEnd]
	fact := locationFact{frames: uint32(len(lines))}
	record = appendLocation(record, m.base, len(lines))
	for _, line := range lines {
		f := &s.functions[line.Function]
		record = appendLine(record, f.hash, line.Line)
		fact.size += frameBytes + m.size + f.size
	}
	return record, fact
}

// stack returns the id of a stack after cutting it to maxDepth frames, the bytes of
// its definition, written out, and how many of its locations, from the leaf, were cut.
func (s *symbolizer) stack(locations []uint32, maxDepth int) (id warehouse.StacktraceID, size uint64, cut int) {
	n := len(locations)
	if need := 16 + 8*n; cap(s.record) < need {
		s.record = make([]byte, 0, 2*need)
	}
	record := appendStack(s.record[:0], n)
	header := len(record)
	record = record[:header+8*n]
	frames := uint64(0)
	for i, l := range locations {
		fact := &s.locations[l]
		binary.LittleEndian.PutUint64(record[header+8*i:], fact.hash)
		frames += uint64(fact.frames)
		size += fact.size
	}
	if frames > uint64(maxDepth) {
		cut := s.cutDepth(locations, frames, maxDepth)
		id, size, _ := s.stack(locations[cut:], maxDepth)
		return id, size, cut
	}
	return warehouse.StacktraceID(hashRecord(record)), size, 0
}

// cutDepth returns how many locations to cut from the leaf, so that at most
// maxDepth of the stack's frames are left: the reference cuts there, too. A
// location is cut as a whole, since its lines are one identity; it never has more
// frames than a stack may have.
func (s *symbolizer) cutDepth(locations []uint32, frames uint64, maxDepth int) int {
	for i, l := range locations {
		if frames <= uint64(maxDepth) {
			return i
		}
		frames -= uint64(s.locations[l].frames)
	}
	return len(locations)
}

// sameStack reports whether two lists of locations have the same identities.
func (s *symbolizer) sameStack(a, b []uint32) bool {
	return slices.EqualFunc(a, b, func(x, y uint32) bool { return s.locations[x].hash == s.locations[y].hash })
}
