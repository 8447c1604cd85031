package flame

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func diffed(t *testing.T, left, right *Tree, maxNodes int64) DiffFlamebearer {
	t.Helper()
	f, err := Diff(left, right, maxNodes)
	require.NoError(t, err)
	return f
}

func TestDiff(t *testing.T) {
	t.Parallel()
	left, right := foldedTree(t, "a;x 1\na 2\nb 4"), foldedTree(t, "a;y 5\na;x 3\nc 6")
	want := DiffFlamebearer{
		Names: []string{"total", "a", "b", "c", "x", "y"},
		Levels: [][]int64{
			{0, 7, 0, 0, 14, 0, 0},
			{0, 3, 2, 0, 8, 0, 1, 0, 4, 4, 0, 0, 0, 2, 0, 0, 0, 0, 6, 6, 3},
			{2, 1, 1, 0, 3, 3, 4, 0, 0, 0, 0, 5, 5, 5},
		},
		Total: 21, MaxSelf: 6, LeftTicks: 7, RightTicks: 14,
	}
	assert.Equal(t, want, diffed(t, left, right, 0))
}

func TestDiffOfNothing(t *testing.T) {
	t.Parallel()
	want := DiffFlamebearer{Names: []string{"total"}, Levels: [][]int64{{0, 0, 0, 0, 0, 0, 0}}}
	assert.Equal(t, want, diffed(t, Empty(), Empty(), 5))
}

// What is heavy on either side stays, however light the other side is.
func TestDiffTrimsByTheHeavierSide(t *testing.T) {
	t.Parallel()
	left, right := foldedTree(t, "day;a 900\nday;b 1000\nday;c 5"), foldedTree(t, "day;c 7\nday;d 6\nday;e 1")
	f := diffed(t, left, right, 4)
	back, err := rebuild(f.Names, f.Levels, 2)
	require.NoError(t, err)
	assert.Equal(t, `total 0 1905 0 14
  day 0 1905 0 14
    a 900 900 0 0
    b 1000 1000 0 0
    c 5 5 7 7
    other 0 0 7 7
`, back.text(2))
}

func TestDiffHoldsBothTrees(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		x, y := randomStacks(rng, 30), randomStacks(rng, 30)
		left, right := x.tree(t, rng), y.tree(t, rng)
		f := diffed(t, left, right, 0)
		back, err := rebuild(f.Names, f.Levels, 2)
		require.NoError(t, err)
		assert.Equal(t, plainTree(x, y).text(2), back.text(2))
		assert.Equal(t, left.Total(), f.LeftTicks)
		assert.Equal(t, right.Total(), f.RightTicks)
		assert.Equal(t, left.Total()+right.Total(), f.Total)

		// Trimmed, it still has the right totals, and no more nodes than asked for.
		maxNodes := 1 + rng.Int64N(20)
		f = diffed(t, left, right, maxNodes)
		back, err = rebuild(f.Names, f.Levels, 2)
		require.NoError(t, err)
		assert.Equal(t, [2]int64{left.Total(), right.Total()}, back.total())
		assert.LessOrEqual(t, countNodes(back), 2*maxNodes+1)
	})
}

func countNodes(p *plain) int64 {
	var n int64
	for _, k := range p.kids {
		n += 1 + countNodes(k)
	}
	return n
}

func TestDiffOfEqualTreesIsZero(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		x := randomStacks(rng, 30)
		f := diffed(t, x.tree(t, rng), x.tree(t, rng), rng.Int64N(30))
		for _, level := range f.Levels {
			for ; len(level) > 0; level = level[7:] {
				assert.Equal(t, level[0:3], level[3:6])
			}
		}
	})
}
