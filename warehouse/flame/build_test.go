package flame

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// folded parses "root;…;leaf value" lines. Equal paths become one definition
// each, told apart by id.
func folded(t testing.TB, text string) stacks {
	t.Helper()
	var out stacks
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		var v int64
		_, err := fmt.Sscan(line[at+1:], &v)
		require.NoError(t, err, "line %q", line)
		var frames []warehouse.Frame
		if at > 0 {
			for name := range strings.SplitSeq(line[:at], ";") {
				frames = append([]warehouse.Frame{{Function: name, SystemName: name, Filename: name + ".go", Line: 1}}, frames...)
			}
		}
		out.defs = append(out.defs, warehouse.Stacktrace{ID: warehouse.StacktraceID(len(out.defs) + 1), Frames: frames})
		out.values = append(out.values, v)
	}
	return out
}

func anyRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func foldedTree(t testing.TB, text string) *Tree {
	t.Helper()
	return folded(t, text).tree(t, anyRand())
}

func TestBuild(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		stack string
		want  string
	}{
		{"nothing", "", "total 0 0\n"},
		{"one", "a;b 3", "total 0 3\n  a 0 3\n    b 3 3\n"},
		{"prefixes have self", "a 1\na;b 2", "total 0 3\n  a 1 3\n    b 2 2\n"},
		{"children by name", "b 1\na 2\nab 3", "total 0 6\n  a 2 2\n  ab 3 3\n  b 1 1\n"},
		{"recursion", "a;a;a 5", "total 0 5\n  a 0 5\n    a 0 5\n      a 5 5\n"},
		{"equal paths of two definitions", "a;b 1\na;b 2", "total 0 3\n  a 0 3\n    b 3 3\n"},
		{"a stacktrace without frames", "a 1\n 2", "total 2 3\n  a 1 1\n"},
		{"zero leaves no trace", "a;b 0\na;c 1", "total 0 1\n  a 0 1\n    c 1 1\n"},
		{"only zeros", "a 0", "total 0 0\n"},
		{"the greatest total", "a 9223372036854775806\nb 1", "total 0 9223372036854775807\n  a 9223372036854775806 9223372036854775806\n  b 1 1\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, foldedTree(t, tt.stack).String())
		})
	}
}

func TestBuildRefuses(t *testing.T) {
	t.Parallel()
	s := folded(t, "a 1\nb 1").symbols(anyRand())
	tests := []struct {
		name   string
		ids    []warehouse.StacktraceID
		values []int64
		kind   warehouse.Kind
		text   string
	}{
		{"a missing definition", []warehouse.StacktraceID{1, -7}, []int64{1, 1}, warehouse.Corrupt, "stacktrace -7 has no definition"},
		{"a negative value", []warehouse.StacktraceID{1, 2}, []int64{5, -1}, warehouse.Corrupt, "stacktrace 2 has the negative value -1"},
		{"a total above int64", []warehouse.StacktraceID{1, 2}, []int64{math.MaxInt64, 1}, warehouse.OutOfRange, "total is above"},
		{"the same id above int64", []warehouse.StacktraceID{1, 1}, []int64{math.MaxInt64, math.MaxInt64}, warehouse.OutOfRange, "total is above"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Build(s, tt.ids, tt.values)
			require.ErrorContains(t, err, tt.text)
			assert.Equal(t, tt.kind, warehouse.KindOf(err))
			_, err = Pprof(s, tt.ids, tt.values, warehouse.ProfileType{}, PprofMeta{})
			require.ErrorContains(t, err, tt.text)
			assert.Equal(t, tt.kind, warehouse.KindOf(err))
		})
	}
}

func TestBuildIsPlainAddition(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		x := randomStacks(rng, 1+rng.IntN(60))
		tree := x.tree(t, rng)
		assert.Equal(t, plainTree(x).text(1), tree.String())
		checkInvariants(t, tree)
	})
}

// The same values in another order, in pieces, with other definitions around
// them, make the same tree, down to its arrays.
func TestBuildIgnoresLayout(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		x, noise := randomStacks(rng, 40), randomStacks(rng, 20)
		want := x.tree(t, rng)

		s := NewSymbols()
		for _, d := range noise.defs {
			s.Add(d)
		}
		for _, i := range rng.Perm(len(x.defs)) {
			s.Add(x.defs[i])
		}
		var ids []warehouse.StacktraceID
		var values []int64
		for _, i := range rng.Perm(len(x.defs)) {
			half := x.values[i] / 2
			ids = append(ids, x.defs[i].ID, x.defs[i].ID)
			values = append(values, half, x.values[i]-half)
		}
		got, err := Build(s, ids, values)
		require.NoError(t, err)
		assert.True(t, want.Equal(got), "want\n%s\ngot\n%s", want, got)
		assert.Equal(t, want.Flamebearer(), got.Flamebearer())
	})
}

// checkInvariants verifies what shape and Tree promise.
func checkInvariants(t *testing.T, tree *Tree) {
	t.Helper()
	size := tree.size()
	require.Len(t, tree.first, size+1)
	require.Equal(t, int32(1), tree.first[0])
	require.Equal(t, int32(size), tree.first[size])
	used := make([]bool, len(tree.names))
	var selfs int64
	for n := range int32(size) {
		from, to := tree.children(n)
		sum := tree.self[n]
		for c := from; c < to; c++ {
			require.Greater(t, c, n)
			require.Positive(t, tree.total[c])
			require.True(t, c == from || tree.name[c-1] < tree.name[c], "children of %d are not in order", n)
			sum += tree.total[c]
			used[tree.name[c]] = true
		}
		require.Equal(t, sum, tree.total[n])
		require.GreaterOrEqual(t, tree.self[n], int64(0))
		selfs += tree.self[n]
	}
	require.Equal(t, tree.Total(), selfs)
	for i, name := range tree.names {
		require.True(t, used[i], "name %q is not used", name)
		require.True(t, i == 0 || tree.names[i-1] < name, "names are not sorted")
	}
}
