package flame

import (
	"fmt"
	"hash/maphash"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// mapping, function and frame are the interned parts of a [warehouse.Frame].
// Their uint32 fields, but for hash, are numbers of strings, of a mapping and
// of a function.
type (
	mapping struct {
		name, buildID uint32
	}
	function struct {
		name, system, file uint32
		start              int64
	}
	frame struct {
		function, mapping uint32
		line              int64
		address           uint64
		hash              uint32
		inlined           bool
	}
)

// FrameName returns the name by which trees know a frame: its function; without
// one, the linker's name; without that, the binary and the address in it.
func FrameName(f *warehouse.Frame) string {
	switch {
	case f.Function != "":
		return f.Function
	case f.SystemName != "":
		return f.SystemName
	case f.Mapping != "":
		return fmt.Sprintf("%s+0x%x", f.Mapping, f.Address)
	case f.Address != 0:
		return fmt.Sprintf("0x%x", f.Address)
	}
	return "unknown"
}

// frame returns the number of a frame, which it adds if it is new.
//
// Nearly all frames are known, so they are found by what they say, with one
// look into one table; their strings are looked up only when they are new.
func (s *Symbols) frame(f *warehouse.Frame) uint32 {
	m := s.mapping(f)
	hash := s.hashFrame(f, m)
	at := s.frameSlot(f, m, hash)
	if n := s.frameSlots[at]; n != 0 {
		return n - 1
	}
	if isFull(len(s.frames), len(s.frameSlots)) {
		s.growFrames()
		at = s.frameSlot(f, m, hash)
	}
	s.frames = append(s.frames, frame{
		function: s.function(f),
		mapping:  m,
		line:     f.Line,
		address:  f.Address,
		hash:     hash,
		inlined:  f.Inlined,
	})
	s.names = append(s.names, s.string(FrameName(f)))
	s.frameSlots[at] = checkedCount(len(s.frames))
	return uint32(len(s.frames) - 1)
}

// frameSlot returns where the frame is, or where it would have to go.
func (s *Symbols) frameSlot(f *warehouse.Frame, mapping, hash uint32) uint32 {
	mask := uint32(len(s.frameSlots) - 1)
	at := hash & mask
	for s.frameSlots[at] != 0 && !s.isFrame(s.frameSlots[at]-1, f, mapping, hash) {
		at = (at + 1) & mask
	}
	return at
}

func (s *Symbols) isFrame(n uint32, f *warehouse.Frame, mapping, hash uint32) bool {
	have := &s.frames[n]
	if have.hash != hash || have.line != f.Line || have.mapping != mapping || have.address != f.Address || have.inlined != f.Inlined {
		return false
	}
	fn, strs := &s.functions.keys[have.function], s.strings.keys
	return fn.start == f.StartLine && strs[fn.name] == f.Function && strs[fn.file] == f.Filename && strs[fn.system] == f.SystemName
}

func (s *Symbols) growFrames() {
	s.frameSlots = make([]uint32, 2*len(s.frameSlots))
	mask := uint32(len(s.frameSlots) - 1)
	for i := range s.frames {
		at := s.frames[i].hash & mask
		for s.frameSlots[at] != 0 {
			at = (at + 1) & mask
		}
		s.frameSlots[at] = uint32(i + 1)
	}
}

func (s *Symbols) hashFrame(f *warehouse.Frame, mapping uint32) uint32 {
	k := struct {
		name, system, file, address uint64
		line, start                 int64
		mapping, inlined            uint32
	}{
		name:    maphash.String(s.seed, f.Function),
		file:    maphash.String(s.seed, f.Filename),
		address: f.Address,
		line:    f.Line,
		start:   f.StartLine,
		mapping: mapping,
	}
	if f.SystemName != f.Function {
		k.system = maphash.String(s.seed, f.SystemName)
	}
	if f.Inlined {
		k.inlined = 1
	}
	return uint32(maphash.Comparable(s.seed, k))
}

func (s *Symbols) function(f *warehouse.Frame) uint32 {
	name := s.string(f.Function)
	system := name
	if f.SystemName != f.Function {
		system = s.string(f.SystemName)
	}
	n, _ := s.functions.intern(function{name: name, system: system, file: s.string(f.Filename), start: f.StartLine})
	return n
}

// mapping returns the number of the frame's mapping: mostly that of the frame
// before.
func (s *Symbols) mapping(f *warehouse.Frame) uint32 {
	if len(s.mappings.keys) > 0 {
		last := s.mappings.keys[s.lastMapping]
		if s.strings.keys[last.name] == f.Mapping && s.strings.keys[last.buildID] == f.BuildID {
			return s.lastMapping
		}
	}
	s.lastMapping, _ = s.mappings.intern(mapping{name: s.string(f.Mapping), buildID: s.string(f.BuildID)})
	return s.lastMapping
}

// expand is the inverse of frame.
func (s *Symbols) expand(n uint32) warehouse.Frame {
	f := s.frames[n]
	fn, m := s.functions.keys[f.function], s.mappings.keys[f.mapping]
	return warehouse.Frame{
		Function:   s.strings.keys[fn.name],
		SystemName: s.strings.keys[fn.system],
		Filename:   s.strings.keys[fn.file],
		Line:       f.line,
		StartLine:  fn.start,
		Mapping:    s.strings.keys[m.name],
		BuildID:    s.strings.keys[m.buildID],
		Address:    f.address,
		Inlined:    f.inlined,
	}
}
