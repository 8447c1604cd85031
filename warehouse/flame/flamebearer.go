package flame

import (
	"cmp"
	"slices"
)

// Flamebearer is a flame graph as Pyroscope's API draws it: the boxes of each
// level from left to right.
type Flamebearer struct {
	// Names of functions. Names[0] is RootName; the others are ordered by the
	// number of their boxes, the most first, then by name, so that frequent ones
	// have short numbers on the wire.
	Names []string
	// Levels, from the root; a box is four values: the distance from the end of
	// the box before it on the level, its total, its self, its index in Names.
	// A box lies below its caller, within its bounds.
	Levels  [][]int64
	Total   int64
	MaxSelf int64 // of the functions and the root
}

// Flamebearer returns the boxes of t. A function's own time comes first, then
// its callees in the order of their names.
func (t *Tree) Flamebearer() Flamebearer {
	const width = 4
	names, index := t.boxNames()
	f := Flamebearer{Names: names, Levels: t.boxLevels(width), Total: t.Total()}
	at := make([]int64, t.size()) // left edge
	var n int32
	for _, values := range f.Levels {
		var end int64
		for ; len(values) > 0; values = values[width:] {
			values[0] = at[n] - end
			values[1] = t.total[n]
			values[2] = t.self[n]
			values[3] = t.boxName(index, n)
			end = at[n] + t.total[n]
			f.MaxSelf = max(f.MaxSelf, t.self[n])
			t.placeChildren(at, t.self, t.total, n)
			n++
		}
	}
	return f
}

// boxNames returns the names of a flame graph of s, and the index among them of
// each name of s.
func (s *shape) boxNames() (names []string, index []int64) {
	boxes := make([]int32, len(s.names))
	for _, name := range s.name[1:] {
		boxes[name]++
	}
	order := make([]int32, len(s.names)) // sorted by name, as s.names are
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(boxes[b], boxes[a]) })
	names = append(make([]string, 0, len(order)+1), RootName)
	index = make([]int64, len(order))
	for i, name := range order {
		names = append(names, s.names[name])
		index[name] = int64(i) + 1
	}
	return names, index
}

// boxName returns the index of n's name among boxNames.
func (s *shape) boxName(index []int64, n int32) int64 {
	if n == 0 {
		return 0
	}
	return index[s.name[n]]
}

// boxLevels makes room for the levels of a flame graph, width values a node.
func (s *shape) boxLevels(width int) [][]int64 {
	levels := make([][]int64, 0, s.depth())
	room := make([]int64, s.size()*width)
	for from, to := int32(0), int32(1); from < to; from, to = s.first[from], s.first[to] {
		n := int(to-from) * width
		levels = append(levels, room[:n:n])
		room = room[n:]
	}
	return levels
}

// placeChildren sets the left edges of n's children, given that of n.
func (s *shape) placeChildren(at, self, total []int64, n int32) {
	x := at[n] + self[n]
	from, to := s.children(n)
	for c := from; c < to; c++ {
		at[c] = x
		x += total[c]
	}
}
