package flame

import "github.com/stackhouse-db/stackhouse/warehouse"

// DiffFlamebearer is a flame graph of two trees whose equal paths share a box.
type DiffFlamebearer struct {
	// Names of functions, ordered as those of a Flamebearer.
	Names []string
	// Levels, from the root; a box is seven values: distance, total and self on
	// the left, distance, total and self on the right, index in Names. A
	// distance is from the end of the box before it on the level, on its side.
	Levels     [][]int64
	Total      int64 // of both sides
	MaxSelf    int64 // the greatest on either side
	LeftTicks  int64 // total of the left side
	RightTicks int64 // total of the right side
}

// Diff compares two trees. A function that one side lacks has zeros there.
//
// maxNodes trims as [Tree.Trim] does, by the greater of a node's two totals, so
// that what weighs much on either side stays even if the sides cover times of
// different length; both sides lose the same nodes.
//
// If the sum of both totals is above 2^63-1 it is an OutOfRange error.
func Diff(left, right *Tree, maxNodes int64) (DiffFlamebearer, error) {
	sum, ok := addExact(left.Total(), right.Total())
	if !ok {
		return DiffFlamebearer{}, warehouse.Errorf(warehouse.OutOfRange, "diff trees: %w", errTotal())
	}
	p := pairUp(left, right).trim(maxNodes)
	f := p.boxes()
	f.Total, f.LeftTicks, f.RightTicks = sum, left.Total(), right.Total()
	return f, nil
}

// pair is a tree with two values: the left one, then the right one.
type pair struct {
	shape
	self  [2][]int64
	total [2][]int64
}

func pairUp(left, right *Tree) pair {
	u := unite(&left.shape, &right.shape)
	return newPair(u.shape, move(left.self, u.toA, u.size()), move(right.self, u.toB, u.size()))
}

func newPair(s shape, left, right []int64) pair {
	return pair{
		shape: s,
		self:  [2][]int64{left, right},
		total: [2][]int64{s.totals(left), s.totals(right)},
	}
}

func (p pair) trim(maxNodes int64) pair {
	weight := make([]int64, p.size())
	for n := range weight {
		weight[n] = max(p.total[0][n], p.total[1][n])
	}
	stays := selectNodes(weight, maxNodes)
	if stays == nil {
		return p
	}
	s, to := p.fold(stays)
	return newPair(s, move(p.self[0], to, s.size()), move(p.self[1], to, s.size()))
}

func (p pair) boxes() DiffFlamebearer {
	const width = 7
	names, index := p.boxNames()
	f := DiffFlamebearer{Names: names, Levels: p.boxLevels(width)}
	at := [2][]int64{make([]int64, p.size()), make([]int64, p.size())}
	var n int32
	for _, values := range f.Levels {
		var end [2]int64
		for ; len(values) > 0; values = values[width:] {
			for side := range at {
				box := values[3*side : 3*side+3]
				box[0] = at[side][n] - end[side]
				box[1] = p.total[side][n]
				box[2] = p.self[side][n]
				end[side] = at[side][n] + p.total[side][n]
				f.MaxSelf = max(f.MaxSelf, p.self[side][n])
				p.placeChildren(at[side], p.self[side], p.total[side], n)
			}
			values[6] = p.boxName(index, n)
			n++
		}
	}
	return f
}
