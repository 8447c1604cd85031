package flame

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTrim(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		stack string
		nodes int64
		want  string
	}{
		{"zero is all", "a 1\nb 2", 0, "total 0 3\n  a 1 1\n  b 2 2\n"},
		{"negative is all", "a 1\nb 2", -1, "total 0 3\n  a 1 1\n  b 2 2\n"},
		{"as many as there are", "a 1\nb 2", 2, "total 0 3\n  a 1 1\n  b 2 2\n"},
		{"the greatest stays", "a 1\nb 2\nc 1", 1, "total 0 4\n  b 2 2\n  other 2 2\n"},
		{"other has its place by name", "p 1\nq 2\na 2", 2, "total 0 5\n  a 2 2\n  other 1 1\n  q 2 2\n"},
		{"what is below folds too", "a;b;c 1\na;b 1\na;d 5", 2, "total 0 7\n  a 0 7\n    d 5 5\n    other 2 2\n"},
		{"each node its own other", "a;x 1\na;y 5\nb;x 1\nb;y 5", 4, "total 0 12\n  a 0 6\n    other 1 1\n    y 5 5\n  b 0 6\n    other 1 1\n    y 5 5\n"},
		{"self stays", "a 3\na;b 1\nc 1", 1, "total 0 5\n  a 3 4\n    other 1 1\n  other 1 1\n"},
		{"a function called other absorbs", "other;x 2\nother 4\nz 1", 1, "total 0 7\n  other 5 7\n    other 2 2\n"},
		{"a folded function called other", "other 1\na 4\nz 1", 1, "total 0 6\n  a 4 4\n  other 2 2\n"},
		{"ties: depth first", "b 2\na;x 2", 2, "total 0 4\n  a 0 2\n    other 2 2\n  b 2 2\n"},
		{"ties: then the path", "b;x 2\na;x 2", 3, "total 0 4\n  a 0 2\n    x 2 2\n  b 0 2\n    other 2 2\n"},
		{"ties: a chain keeps its upper part", "a;b;c;d 1", 2, "total 0 1\n  a 0 1\n    b 0 1\n      other 1 1\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tree := foldedTree(t, tt.stack)
			before := tree.String()
			got := tree.Trim(tt.nodes)
			assert.Equal(t, tt.want, got.String())
			assert.Equal(t, before, tree.String(), "the tree itself must not change")
			checkInvariants(t, got)
		})
	}
}

// Trim against its definition: sort all nodes, keep the first ones, fold.
func TestTrimIsItsDefinition(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		x := randomStacks(rng, 50)
		tree := x.tree(t, rng)
		most := 1 + rng.Int64N(int64(tree.Size())+2)
		got := tree.Trim(most)
		checkInvariants(t, got)
		assert.Equal(t, tree.Total(), got.Total())
		assert.Equal(t, plainTrim(plainTree(x), int(most)).text(1), got.String(), "most %d of\n%s", most, tree)
		if int64(tree.Size()) <= most {
			assert.Same(t, tree, got)
		}
	})
}

func plainTrim(root *plain, most int) *plain {
	type node struct {
		path  []string
		total int64
		p     *plain
	}
	var all []node
	var walk func(p *plain, path []string)
	walk = func(p *plain, path []string) {
		for _, name := range p.names() {
			at := append(slices.Clone(path), name)
			all = append(all, node{at, p.kids[name].total()[0], p.kids[name]})
			walk(p.kids[name], at)
		}
	}
	walk(root, nil)
	slices.SortFunc(all, func(a, b node) int {
		return cmp.Or(cmp.Compare(b.total, a.total), cmp.Compare(len(a.path), len(b.path)), slices.Compare(a.path, b.path))
	})
	stays := map[string]bool{}
	for i, n := range all {
		if i < most {
			stays[strings.Join(n.path, "\x00")] = true
		}
	}
	out := &plain{self: root.self}
	for _, n := range all {
		path := n.path
		for i := range path {
			if !stays[strings.Join(path[:i+1], "\x00")] {
				path = append(slices.Clone(path[:i]), OtherName)
				break
			}
		}
		out.add(0, path, n.p.self[0])
	}
	return out
}

func TestKthGreatest(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		values := make([]int64, 1+rng.IntN(40))
		for i := range values {
			values[i] = []int64{0, 1, 255, 256, math.MaxInt64, rng.Int64(), rng.Int64N(4)}[rng.IntN(7)]
		}
		k := 1 + rng.IntN(len(values))
		limit, equal := kthGreatest(values, k)

		sorted := slices.Clone(values)
		slices.SortFunc(sorted, func(a, b int64) int { return cmp.Compare(b, a) })
		want := 0
		for _, v := range sorted[:k] {
			if v == sorted[k-1] {
				want++
			}
		}
		assert.Equal(t, sorted[k-1], limit)
		assert.Equal(t, want, equal)
	})
}
