package flame

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func TestSubTree(t *testing.T) {
	t.Parallel()
	const text = "a 1\na;b 2\na;b;c 4\na;d 8\nb;a 16\n 32"
	tests := []struct {
		name string
		site []string
		want string
	}{
		{"no call site is all", nil, "total 32 63\n  a 1 15\n    b 2 6\n      c 4 4\n    d 8 8\n  b 0 16\n    a 16 16\n"},
		{"a root function", []string{"b"}, "total 0 16\n  b 0 16\n    a 16 16\n"},
		{"callers lose their self", []string{"a", "b"}, "total 0 6\n  a 0 6\n    b 2 6\n      c 4 4\n"},
		{"a leaf", []string{"a", "d"}, "total 0 8\n  a 0 8\n    d 8 8\n"},
		{"an unknown name", []string{"a", "nope"}, "total 0 0\n"},
		{"a known name elsewhere", []string{"a", "a"}, "total 0 0\n"},
		{"below a leaf", []string{"a", "d", "c"}, "total 0 0\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := foldedTree(t, text).SubTree(tt.site)
			assert.Equal(t, tt.want, got.String())
			checkInvariants(t, got)
		})
	}
}

// Filtering the tree, the stacktraces, or by hand is the same.
func TestSubTreeIsAFilter(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		x := randomStacks(rng, 40)
		site := rootFirst(x.defs[rng.IntN(len(x.defs))].Frames)
		site = site[:min(len(site), rng.IntN(4))]

		want := &plain{}
		for i, d := range x.defs {
			names := rootFirst(d.Frames)
			if len(names) >= len(site) && assert.ObjectsAreEqual(append([]string{}, site...), append([]string{}, names[:len(site)]...)) {
				want.add(0, names, x.values[i])
			}
		}
		got := x.tree(t, rng).SubTree(site)
		checkInvariants(t, got)
		assert.Equal(t, want.text(1), got.String(), "%q", site)

		s := x.symbols(rng)
		ids, values := s.Below(site, x.ids(), append([]int64{}, x.values...))
		below, err := Build(s, ids, values)
		require.NoError(t, err)
		assert.True(t, got.Equal(below))
	})
}

func TestBelowKeepsUnknownIDs(t *testing.T) {
	t.Parallel()
	s := folded(t, "a 1\nb 1").symbols(anyRand())
	ids, values := s.Below([]string{"b"}, []warehouse.StacktraceID{1, 99, 2}, []int64{10, 11, 12})
	assert.Equal(t, []warehouse.StacktraceID{99, 2}, ids)
	assert.Equal(t, []int64{11, 12}, values)
}
