package flame

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// columnsOf returns the definitions by column, with every string once.
func columnsOf(defs []warehouse.Stacktrace) *warehouse.StackColumns {
	known := map[*warehouse.TextColumn]map[string]uint32{}
	return columnsWith(defs, func(c *warehouse.TextColumn, v string) uint32 {
		if known[c] == nil {
			known[c] = map[string]uint32{}
		}
		i, ok := known[c][v]
		if !ok {
			i = uint32(len(c.Texts))
			c.Texts, known[c][v] = append(c.Texts, v), i
		}
		return i
	})
}

// columnsWith returns the definitions by column. place returns the index of a
// string in the texts of a column, which it may extend.
func columnsWith(defs []warehouse.Stacktrace, place func(c *warehouse.TextColumn, v string) uint32) *warehouse.StackColumns {
	c := &warehouse.StackColumns{Offsets: []int32{0}}
	add := func(to *warehouse.TextColumn, v string) { to.Index = append(to.Index, place(to, v)) }
	for _, d := range defs {
		for _, f := range d.Frames {
			add(&c.Functions, f.Function)
			add(&c.SystemNames, f.SystemName)
			add(&c.Filenames, f.Filename)
			add(&c.Mappings, f.Mapping)
			add(&c.BuildIDs, f.BuildID)
			c.Lines, c.StartLines = append(c.Lines, f.Line), append(c.StartLines, f.StartLine)
			c.Addresses = append(c.Addresses, int64(f.Address))
			inlined := uint8(0)
			if f.Inlined {
				inlined = 1
			}
			c.Inlined = append(c.Inlined, inlined)
		}
		c.IDs = append(c.IDs, d.ID)
		c.Offsets = append(c.Offsets, int32(len(c.Lines)))
	}
	return c
}

// randomColumns returns the definitions with texts in random places, some of
// them more than once and some for nothing.
func randomColumns(rng *rand.Rand, defs []warehouse.Stacktrace) *warehouse.StackColumns {
	return columnsWith(defs, func(c *warehouse.TextColumn, v string) uint32 {
		at := slices.Index(c.Texts, v)
		if at < 0 || rng.IntN(4) == 0 {
			at = len(c.Texts)
			c.Texts = append(c.Texts, v, "unused")
		}
		return uint32(at)
	})
}

// TestAddColumnsIsAdd: whatever is added in whatever batches, in part known
// already, in part twice, the answers are those after adding one by one.
func TestAddColumnsIsAdd(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		x := randomStacks(rng, 80)
		want, got := NewSymbols(), NewSymbols()
		for len(want.Missing(nil, x.ids())) > 0 {
			var batch []warehouse.Stacktrace
			for range rng.IntN(40) {
				d := x.defs[rng.IntN(len(x.defs))]
				if rng.IntN(20) == 0 { // an id with another meaning, ignored if it is known
					d.Frames = x.defs[rng.IntN(len(x.defs))].Frames
				}
				batch = append(batch, d)
			}
			for _, d := range batch {
				want.Add(d)
			}
			if rng.IntN(5) == 0 {
				for _, d := range batch {
					got.Add(d)
				}
			} else {
				got.AddColumns(randomColumns(rng, batch))
			}
		}
		requireSameSymbols(t, want, got, x)
	})
}

func requireSameSymbols(t testing.TB, want, got *Symbols, x stacks) {
	t.Helper()
	require.Equal(t, want.Stacks(), got.Stacks())
	require.Equal(t, want.paths.size() > 1, got.paths.size() > 1)
	require.Equal(t, want.frames.keys == nil, got.frames.keys == nil)
	require.Positive(t, got.SizeBytes())
	for _, id := range x.ids() {
		require.Equal(t, framesOf(t, want, id), framesOf(t, got, id))
	}
	wantTree, err := Build(want, x.ids(), x.values)
	require.NoError(t, err)
	gotTree, err := Build(got, x.ids(), x.values)
	require.NoError(t, err)
	require.True(t, wantTree.Equal(gotTree))
	wantProfile, err := Pprof(want, x.ids(), x.values, warehouse.ProfileType{}, PprofMeta{})
	require.NoError(t, err)
	gotProfile, err := Pprof(got, x.ids(), x.values, warehouse.ProfileType{}, PprofMeta{})
	require.NoError(t, err)
	require.Equal(t, wantProfile.String(), gotProfile.String())
}

// TestAddColumnsFindsWhatIsEqual: the order and the form of batches do not change
// how much is held.
func TestAddColumnsFindsWhatIsEqual(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		x := randomStacks(rng, 80)
		want, got := x.symbols(rng), NewSymbols()
		rng.Shuffle(len(x.defs), func(i, j int) { x.defs[i], x.defs[j] = x.defs[j], x.defs[i] })
		for batch := range slices.Chunk(x.defs, 1+rng.IntN(30)) {
			got.AddColumns(randomColumns(rng, batch))
		}
		require.Len(t, got.strings.keys, len(want.strings.keys))
		require.Len(t, got.functions.keys, len(want.functions.keys))
		require.Len(t, got.mappings.keys, len(want.mappings.keys))
		require.Len(t, got.frames.keys, len(want.frames.keys))
		require.Len(t, got.names, len(want.names))
		require.Equal(t, want.paths.size(), got.paths.size())
		require.Equal(t, want.calls.size(), got.calls.size())
	})
}

func TestAddColumnsCopiesWhatItKeeps(t *testing.T) {
	t.Parallel()
	body := []byte("namefilebinary")
	view := unsafeString(body)
	frames := []warehouse.Frame{{Function: view[:4], Filename: view[4:8], Mapping: view[8:]}}
	c := columnsWith([]warehouse.Stacktrace{{ID: 1, Frames: frames}}, func(c *warehouse.TextColumn, v string) uint32 {
		c.Texts = append(c.Texts, v)
		return uint32(len(c.Texts) - 1)
	})
	s := NewSymbols()
	s.AddColumns(c)
	clear(body)
	clear(c.Lines)
	clear(c.Functions.Texts)
	assert.Equal(t, []warehouse.Frame{{Function: "name", Filename: "file", Mapping: "binary"}}, framesOf(t, s, 1))
}

func TestAddNoColumns(t *testing.T) {
	t.Parallel()
	s := NewSymbols()
	s.AddColumns(columnsOf(nil))
	s.AddColumns(columnsOf([]warehouse.Stacktrace{{ID: 7}}))
	s.AddColumns(columnsOf([]warehouse.Stacktrace{{ID: 7, Frames: []warehouse.Frame{{Function: "f"}}}}))
	assert.Equal(t, 1, s.Stacks())
	assert.Empty(t, framesOf(t, s, 7))
}

// Batches from several goroutines, each stacktrace in more than one of them.
func TestAddColumnsConcurrently(t *testing.T) {
	t.Parallel()
	x := randomStacks(rand.New(rand.NewPCG(5, 5)), 400)
	want := x.symbols(anyRand())
	got := NewSymbols()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 6))
			for range 20 {
				var batch []warehouse.Stacktrace
				for range rng.IntN(60) {
					batch = append(batch, x.defs[rng.IntN(len(x.defs))])
				}
				got.AddColumns(randomColumns(rng, batch))
			}
			got.AddColumns(columnsOf(x.defs[i*len(x.defs)/8 : (i+1)*len(x.defs)/8]))
		})
	}
	wg.Wait()
	requireSameSymbols(t, want, got, x)
}

// TestTrie compares the trie with a map of whole paths.
func TestTrie(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		x := newTrie()
		known := map[string]uint32{"": 0}
		for range 300 {
			node, path := uint32(0), ""
			for range rng.IntN(8) {
				key := uint32(rng.IntN(1 + rng.IntN(40)))
				path += fmt.Sprint(" ", key)
				want, isKnown := known[path]
				found, ok := x.find(node, key)
				require.Equal(t, isKnown, ok, path)
				next, isNew := x.child(node, key)
				require.Equal(t, !isKnown, isNew, path)
				if isKnown {
					require.Equal(t, []uint32{want, want}, []uint32{found, next}, path)
				}
				require.Equal(t, trieNode{node, key}, x.nodes[next])
				known[path] = next
				node = next
			}
		}
		require.Equal(t, len(known), x.size())
		for n := 1; n < x.size(); n++ {
			require.Less(t, int(x.nodes[n].parent), n)
		}
		for path, n := range known {
			require.Equal(t, strings.Count(path, " "), x.depth(n))
		}
	})
}

func (t *trie) depth(n uint32) (depth int) {
	for ; n != 0; n = t.nodes[n].parent {
		depth++
	}
	return depth
}
