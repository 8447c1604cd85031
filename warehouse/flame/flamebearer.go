package flame

// Flamebearer is a flame graph as Pyroscope's API draws it: the boxes of each
// level from left to right.
type Flamebearer struct {
	// Names of functions; Names[0] is RootName.
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
	f := Flamebearer{Names: t.boxNames(), Levels: t.boxLevels(width), Total: t.Total()}
	at := make([]int64, t.size()) // left edge
	var n int32
	for _, values := range f.Levels {
		var end int64
		for ; len(values) > 0; values = values[width:] {
			values[0] = at[n] - end
			values[1] = t.total[n]
			values[2] = t.self[n]
			values[3] = t.boxName(n)
			end = at[n] + t.total[n]
			f.MaxSelf = max(f.MaxSelf, t.self[n])
			t.placeChildren(at, t.self, t.total, n)
			n++
		}
	}
	return f
}

// boxNames returns the names of a flame graph of s.
func (s *shape) boxNames() []string {
	names := make([]string, 0, len(s.names)+1)
	return append(append(names, RootName), s.names...)
}

// boxName returns the index of n's name among boxNames.
func (s *shape) boxName(n int32) int64 {
	if n == 0 {
		return 0
	}
	return int64(s.name[n]) + 1
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
