package flame

import (
	"fmt"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// mapping, function and frame are the interned parts of a [warehouse.Frame].
// Their uint32 fields are numbers of strings, of a function and of a mapping.
type (
	mapping struct {
		name, buildID uint32
	}
	function struct {
		start              int64
		name, system, file uint32
	}
	frame struct { // without gaps between fields, so that it is hashed at once
		line              int64
		address           uint64
		function, mapping uint32
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
func (s *Symbols) frame(f *warehouse.Frame) uint32 {
	fn, _ := s.functions.intern(function{
		start: f.StartLine, name: s.string(f.Function), system: s.string(f.SystemName), file: s.string(f.Filename),
	})
	m, _ := s.mappings.intern(mapping{name: s.string(f.Mapping), buildID: s.string(f.BuildID)})
	return s.internFrame(frame{line: f.Line, address: f.Address, function: fn, mapping: m, inlined: f.Inlined})
}

// internFrame returns the number of a frame, which it adds if it is new.
func (s *Symbols) internFrame(f frame) uint32 {
	n, isNew := s.frames.intern(f)
	if isNew {
		def := s.expand(n)
		s.names = append(s.names, s.string(FrameName(&def)))
	}
	return n
}

// expand is the inverse of frame.
func (s *Symbols) expand(n uint32) warehouse.Frame {
	f := s.frames.keys[n]
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
