package flame

// shape is the structure of a tree, without values, in the canonical order.
//
// Invariant: names is sorted bytewise, without duplicates, and every name is
// that of a node.
// Invariant: the children of node n are the nodes first[n] … first[n+1]-1, in
// ascending order of name; first[0] is 1; len(first) is the number of nodes + 1.
// Invariant: name[0], the root's, means nothing.
type shape struct {
	names []string
	name  []int32 // of a node: index into names
	first []int32 // of a node: its first child
}

func (s *shape) size() int { return len(s.name) }

// children returns the range of n's children.
func (s *shape) children(n int32) (from, to int32) { return s.first[n], s.first[n+1] }

// depth returns the number of levels.
func (s *shape) depth() int {
	levels := 0
	for from, to := int32(0), int32(1); from < to; from, to = s.first[from], s.first[to] {
		levels++
	}
	return levels
}

// totals sums self over the nodes below each node. The caller has made sure
// that the sum of all fits.
func (s *shape) totals(self []int64) []int64 {
	total := make([]int64, len(self))
	for n := len(self) - 1; n >= 0; n-- {
		sum := self[n]
		for _, t := range total[s.first[n]:s.first[n+1]] {
			sum += t
		}
		total[n] = sum
	}
	return total
}

// move adds the values of nodes to the nodes they became.
func move(self []int64, to []int32, size int) []int64 {
	out := make([]int64, size)
	for n, v := range self {
		out[to[n]] += v
	}
	return out
}
