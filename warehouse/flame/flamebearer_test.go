package flame

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFlamebearerOfNothing(t *testing.T) {
	t.Parallel()
	want := Flamebearer{Names: []string{"total"}, Levels: [][]int64{{0, 0, 0, 0}}}
	assert.Equal(t, want, Empty().Flamebearer())
}

func TestFlamebearer(t *testing.T) {
	t.Parallel()
	got := foldedTree(t, "a;x 1\na 2\nc;x 4\nc;x;a 3\nb 5").Flamebearer()
	want := Flamebearer{
		Names: []string{"total", "a", "x", "b", "c"}, // a and x have two boxes each
		Levels: [][]int64{
			{0, 15, 0, 0},
			{0, 3, 2, 1, 0, 5, 5, 3, 0, 7, 0, 4},
			{2, 1, 1, 2, 5, 7, 4, 2},
			{12, 3, 3, 1},
		},
		Total:   15,
		MaxSelf: 5,
	}
	assert.Equal(t, want, got)
}

// A reader who knows only the boxes finds the tree again.
func TestFlamebearerHoldsTheTree(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		tree := randomStacks(rng, 40).tree(t, rng).Trim(rng.Int64N(60))
		f := tree.Flamebearer()
		back, err := rebuild(f.Names, f.Levels, 1)
		require.NoError(t, err)
		assert.Equal(t, tree.String(), back.text(1))
		assert.Equal(t, tree.Total(), f.Total)
		var maxSelf int64
		tree.Walk(func(n Node) bool { maxSelf = max(maxSelf, n.Self); return true })
		assert.Equal(t, maxSelf, f.MaxSelf)
	})
}
