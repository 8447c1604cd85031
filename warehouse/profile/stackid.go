package profile

import (
	"encoding/binary"
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// maxGuesses is how many of a definition's functions and binaries may be of unsure
// name: there are two to the power of it ways to read the definition.
const maxGuesses = 6

// IsStacktraceID reports whether id is that of the frames of a definition, leaf
// first. known is false if the definition does not tell: of a frame without symbols
// and without build id, the id has the path of the binary, the definition its last
// element.
//
// A function without a name is shown by its system name. Frames whose names are
// equal are read both ways: all of a binary alike, then one by one if they are few.
func IsStacktraceID(id warehouse.StacktraceID, frames []warehouse.Frame) (matches, known bool) {
	g := guesser{frames: frames}
	if g.tell(func(f *warehouse.Frame) string { return f.Mapping }, id) {
		return true, true
	}
	if g.tell(func(f *warehouse.Frame) string { return f.Function + "\x00" + f.Filename }, id) {
		return true, true
	}
	return false, !g.lacksPath()
}

// guesser computes a stack's id from its frames.
type guesser struct {
	frames []warehouse.Frame
	record []byte
	stack  []byte
}

// tell tries all ways to read the frames' names, of which those with equal keys are
// read alike.
func (g *guesser) tell(key func(*warehouse.Frame) string, id warehouse.StacktraceID) bool {
	var keys []string
	for i := range g.frames {
		if f := &g.frames[i]; isUnsure(f) && !slices.Contains(keys, key(f)) {
			keys = append(keys, key(f))
		}
	}
	for nameless := range 1 << min(len(keys), maxGuesses) {
		is := func(f *warehouse.Frame) bool {
			if !isUnsure(f) {
				return false
			}
			i := slices.Index(keys, key(f))
			return i < maxGuesses && nameless>>i&1 == 1
		}
		if g.id(is) == id {
			return true
		}
	}
	return false
}

// isUnsure reports whether the function of a frame may have had no name.
func isUnsure(f *warehouse.Frame) bool {
	return !isAddress(f) && (f.Function == f.SystemName || f.SystemName == "" && f.Function == unknownFunction)
}

// isAddress reports whether a frame is of a location without symbols.
func isAddress(f *warehouse.Frame) bool {
	return f.SystemName == "" && f.Filename == "" && f.Line == 0 && f.StartLine == 0 && !f.Inlined && f.Function == addressName(f.Mapping, f.Address)
}

// lacksPath reports whether the path of a binary is part of the id.
func (g *guesser) lacksPath() bool {
	return slices.ContainsFunc(g.frames, func(f warehouse.Frame) bool { return isAddress(&f) && f.BuildID == "" && f.Mapping != "" })
}

// id returns the id if the functions that nameless picks have no names.
func (g *guesser) id(nameless func(*warehouse.Frame) bool) warehouse.StacktraceID {
	locations := 0
	g.stack = g.stack[:0]
	for from := 0; from < len(g.frames); {
		to := from + 1
		for to < len(g.frames) && g.frames[to-1].Inlined {
			to++
		}
		g.stack = binary.LittleEndian.AppendUint64(g.stack, g.location(g.frames[from:to], nameless))
		locations++
		from = to
	}
	g.record = append(appendStack(g.record[:0], locations), g.stack...)
	return warehouse.StacktraceID(hashRecord(g.record))
}

// location returns the hash of a location with its frames.
func (g *guesser) location(frames []warehouse.Frame, nameless func(*warehouse.Frame) bool) uint64 {
	first := &frames[0]
	if len(frames) == 1 && isAddress(first) {
		name := first.BuildID
		if name == "" {
			name = first.Mapping
		}
		g.record = appendAddress(g.record[:0], name, first.Address)
		return hashRecord(g.record)
	}
	hashes := make([]uint64, len(frames))
	for i := range frames {
		f := &frames[i]
		name := f.Function
		if nameless(f) {
			name = ""
		}
		g.record = appendFunction(g.record[:0], name, f.SystemName, f.Filename, f.StartLine)
		hashes[i] = hashRecord(g.record)
	}
	g.record = appendLocation(g.record[:0], first.Mapping, len(frames))
	for i, h := range hashes {
		g.record = appendLine(g.record, h, frames[i].Line)
	}
	return hashRecord(g.record)
}
