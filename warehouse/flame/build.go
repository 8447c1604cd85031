package flame

import (
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Build returns the tree of the stacktraces ids with the values beside them.
// An id may occur more than once. Zero values leave no trace.
//
// A missing definition or a negative value is a Corrupt error, a total above
// 2^63-1 an OutOfRange error.
func Build(s *Symbols, ids []warehouse.StacktraceID, values []int64) (*Tree, error) {
	e, v, err := s.ends(ids, values)
	if err != nil {
		return nil, warehouse.Errorf(warehouse.KindOf(err), "build tree: %w", err)
	}
	for i, n := range e.nodes {
		e.nodes[i] = v.call[n]
	}
	return e.plant(v.calls, v.strings), nil
}

// ends are the trie nodes in which stacktraces end, with their values.
//
// Invariant: values are positive and their sum fits an int64.
type ends struct {
	nodes  []uint32
	values []int64
}

// ends looks the stacktraces up in the trie of paths. It returns a view in which
// they are: the only time at which a query takes the lock.
func (s *Symbols) ends(ids []warehouse.StacktraceID, values []int64) (ends, view, error) {
	if len(ids) != len(values) {
		panic(warehouse.Bug("look up stacktraces: %d ids, %d values", len(ids), len(values)))
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := ends{nodes: make([]uint32, 0, len(ids)), values: make([]int64, 0, len(ids))}
	var total int64
	for i, id := range ids {
		n, ok := s.stacks.find(id)
		if !ok {
			return e, view{}, warehouse.Errorf(warehouse.Corrupt, "stacktrace %d has no definition", id)
		}
		if values[i] < 0 {
			return e, view{}, warehouse.Errorf(warehouse.Corrupt, "stacktrace %d has the negative value %d", id, values[i])
		}
		if total, ok = addExact(total, values[i]); !ok {
			return e, view{}, errTotal()
		}
		if values[i] > 0 {
			e.nodes = append(e.nodes, s.leaves[n])
			e.values = append(e.values, values[i])
		}
	}
	return e, s.view(), nil
}

// plant returns the canonical tree of a trie of names.
func (e ends) plant(t []trieNode, strs []string) *Tree {
	g := e.grown(t)
	names := rankStrings(strs, func(add func(uint32) bool) {
		for _, k := range g.key[1:] {
			add(k)
		}
	})
	s, to := g.canonical(names.strings(strs), names.ofAll(g.key[1:]))
	return newTree(s, move(g.self, to, s.size()))
}

// growth is the part of a trie that carries values, renumbered without gaps.
//
// Invariant: parents have smaller numbers than their children; 0 is the root.
type growth struct {
	parent []int32
	key    []uint32
	self   []int64
}

// grown cuts the part of the trie above the ends out of it.
func (e ends) grown(t []trieNode) growth {
	on := newBitset(len(t))
	on.add(0)
	for _, n := range e.nodes {
		for on.add(n) {
			n = t[n].parent
		}
	}
	size := on.count()
	g := growth{parent: make([]int32, 0, size), key: make([]uint32, 0, size), self: make([]int64, size)}
	on.each(func(n uint32) {
		g.parent = append(g.parent, int32(on.rank(t[n].parent)))
		g.key = append(g.key, t[n].key)
	})
	for i, n := range e.nodes {
		g.self[on.rank(n)] += e.values[i]
	}
	return g
}

// canonical orders g. It returns the number that each node became. rank[i] is
// the place of the name of node i+1 among names.
func (g growth) canonical(names []string, rank []int32) (s shape, to []int32) {
	size := len(g.parent)
	byName := sortByRank(rank, len(names))

	// Deal the nodes out to their parents in the order of names: the children
	// of n come to stand at start[n] … start[n+1]-1.
	start := make([]int32, size+2)
	for _, p := range g.parent[1:] {
		start[p+2]++
	}
	for i := 2; i < len(start); i++ {
		start[i] += start[i-1]
	}
	children := make([]int32, size-1)
	for _, i := range byName {
		p := g.parent[i+1]
		children[start[p+1]] = i + 1
		start[p+1]++
	}

	// Number them level by level.
	s = shape{names: names, name: make([]int32, size), first: make([]int32, size+1)}
	to = make([]int32, size)
	queue := make([]int32, 1, size)
	for n := 0; n < size; n++ {
		old := queue[n]
		s.first[n] = int32(len(queue))
		for _, c := range children[start[old]:start[old+1]] {
			to[c] = int32(len(queue))
			s.name[len(queue)] = rank[c-1]
			queue = append(queue, c)
		}
	}
	s.first[size] = int32(size)
	return s, to
}

// sortByRank returns the numbers 0 … len(rank)-1 in stable order of their rank,
// which is below n.
func sortByRank(rank []int32, n int) []int32 {
	at := make([]int32, n+1)
	for _, r := range rank {
		at[r+1]++
	}
	for i := 1; i < len(at); i++ {
		at[i] += at[i-1]
	}
	out := make([]int32, len(rank))
	for i, r := range rank {
		out[at[r]] = int32(i)
		at[r]++
	}
	return out
}

// addExact adds two values that are not negative.
func addExact(a, b int64) (sum int64, ok bool) {
	sum = a + b // wraps to a negative number
	return sum, sum >= 0
}

func errTotal() error {
	return warehouse.Errorf(warehouse.OutOfRange, "the total is above 2^63-1")
}
