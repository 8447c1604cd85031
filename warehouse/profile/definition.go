package profile

import (
	"slices"
	"strconv"
	"unsafe"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// definitions say what the stack ids of one profile stand for: compact copies of
// its tables, without pointers but for the text.
type definitions struct {
	text     string // the part of the body that holds all names
	textFrom uint32 // its offset in the body, to which ranges refer

	functions []functionDef
	mappings  []mappingDef  // the first one is none
	locations []locationDef // one more than there are, to end the last one's lines
	lines     []lineDef

	// Stack ids[i] is the locations refs[starts[i]:starts[i+1]].
	//
	// Invariant: ids ascends strictly.
	ids    []warehouse.StacktraceID
	starts []uint32
	refs   []uint32

	writtenBytes int64 // of all of them, every frame with its names
}

type functionDef struct {
	name, system, file Text
	startLine          int64
}

type mappingDef struct{ base, build Text }

type locationDef struct {
	firstLine uint32 // in lines; they end where the next location's begin
	mapping   uint32
}

// lineDef is a line of a function or, for a location without symbols, its
// address in the file.
type lineDef struct {
	function uint32 // or noFunction
	line     int64  // or the address, two's complement
}

const noFunction = ^uint32(0)

// unknownFunction is shown for a function that has neither of its names.
const unknownFunction = "unknown"

// appendFrames appends the frames of a stack, leaf first.
func (d *definitions) appendFrames(dst []warehouse.Frame, id warehouse.StacktraceID) ([]warehouse.Frame, bool) {
	i, ok := slices.BinarySearch(d.ids, id)
	if !ok {
		return dst, false
	}
	for _, ref := range d.refs[d.starts[i]:d.starts[i+1]] {
		first, end := d.locations[ref].firstLine, d.locations[ref+1].firstLine
		m := &d.mappings[d.locations[ref].mapping]
		for j := first; j < end; j++ {
			f := d.frame(d.lines[j], m)
			f.Inlined = j+1 < end
			dst = append(dst, f)
		}
	}
	return dst, true
}

func (d *definitions) frame(l lineDef, m *mappingDef) warehouse.Frame {
	f := warehouse.Frame{Mapping: d.textOf(m.base), BuildID: d.textOf(m.build)}
	if l.function == noFunction {
		f.Address = uint64(l.line)
		f.Function = addressName(f.Mapping, f.Address)
		return f
	}
	fn := &d.functions[l.function]
	f.Function, f.SystemName, f.Filename = d.textOf(fn.name), d.textOf(fn.system), d.textOf(fn.file)
	f.Line, f.StartLine = l.line, fn.startLine
	if f.Function == "" {
		f.Function = f.SystemName
	}
	if f.Function == "" {
		f.Function = unknownFunction
	}
	return f
}

// addressName is what people see of a frame without symbols: libc.so.6+0x2a1f0,
// an address that means the same in every process that loads the file, or
// 0x7f31c02a1f0 without a mapping. The facts are in Address, BuildID and Mapping,
// by which symbols can be found later.
func addressName(mapping string, address uint64) string {
	b := make([]byte, 0, len(mapping)+19)
	if mapping != "" {
		b = append(append(b, mapping...), '+')
	}
	b = append(b, "0x"...)
	return string(strconv.AppendUint(b, address, 16))
}

func (d *definitions) textOf(t Text) string {
	if t.Size == 0 {
		return ""
	}
	from := t.Offset - d.textFrom
	return d.text[from : from+t.Size]
}

func (d *definitions) sizeBytes() int64 {
	return int64(len(d.text)) + sliceBytes(d.functions) + sliceBytes(d.mappings) + sliceBytes(d.locations) +
		sliceBytes(d.lines) + sliceBytes(d.ids) + sliceBytes(d.starts) + sliceBytes(d.refs)
}

func sliceBytes[T any](s []T) int64 {
	var t T
	return int64(cap(s)) * int64(unsafe.Sizeof(t))
}
