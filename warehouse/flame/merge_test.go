package flame

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func merged(t *testing.T, a, b *Tree) *Tree {
	t.Helper()
	m, err := Merge(a, b)
	require.NoError(t, err)
	checkInvariants(t, m)
	return m
}

func TestMerge(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, a, b, want string
	}{
		{"nothing", "", "", "total 0 0\n"},
		{"with nothing", "a 1", "", "total 0 1\n  a 1 1\n"},
		{"same path", "a;b 1", "a;b 2", "total 0 3\n  a 0 3\n    b 3 3\n"},
		{"apart", "a 1", "b 2", "total 0 3\n  a 1 1\n  b 2 2\n"},
		{"interleaved", "a;x 1\nc 1", "a;w 1\nb 1", "total 0 4\n  a 0 2\n    w 1 1\n    x 1 1\n  b 1 1\n  c 1 1\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, b := foldedTree(t, tt.a), foldedTree(t, tt.b)
			assert.Equal(t, tt.want, merged(t, a, b).String())
			assert.Equal(t, tt.want, merged(t, b, a).String())
		})
	}
}

func TestMergeOverflow(t *testing.T) {
	t.Parallel()
	a, b := foldedTree(t, "a 9223372036854775807"), foldedTree(t, "b 1")
	_, err := Merge(a, b)
	assert.Equal(t, warehouse.OutOfRange, warehouse.KindOf(err))
	_, err = Diff(a, b, 0)
	assert.Equal(t, warehouse.OutOfRange, warehouse.KindOf(err))
	assert.Equal(t, int64(math.MaxInt64), merged(t, a, Empty()).Total())
}

// merge(build(x), build(y)) = build(x ∪ y), whatever Symbols they come from.
func TestMergeIsBuildOfBoth(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		x, y := randomStacks(rng, 30), randomStacks(rng, 30)
		both := stacks{append(x.defs[:len(x.defs):len(x.defs)], y.defs...), append(x.values[:len(x.values):len(x.values)], y.values...)}
		want := both.tree(t, rng)
		a, b := x.tree(t, rng), y.tree(t, rng)
		assert.True(t, want.Equal(merged(t, a, b)))
		assert.True(t, want.Equal(merged(t, b, a)))
	})
}
