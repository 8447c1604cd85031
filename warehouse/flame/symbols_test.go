package flame

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func framesOf(t testing.TB, s *Symbols, id warehouse.StacktraceID) []warehouse.Frame {
	t.Helper()
	frames, ok := s.AppendFrames(nil, id)
	require.True(t, ok, "stacktrace %d", id)
	return frames
}

func TestSymbolsKeepDefinitions(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		x := randomStacks(rng, 50)
		s := x.symbols(rng)
		for _, d := range x.defs {
			assert.Equal(t, d.Frames, framesOf(t, s, d.ID))
		}
		assert.Equal(t, len(x.defs), s.Stacks())
		assert.Empty(t, s.Missing(nil, x.ids()))
	})
}

func TestSymbolsIgnoreKnownIDs(t *testing.T) {
	t.Parallel()
	s := NewSymbols()
	s.Add(warehouse.Stacktrace{ID: 1, Frames: []warehouse.Frame{{Function: "first"}}})
	s.Add(warehouse.Stacktrace{ID: 1, Frames: []warehouse.Frame{{Function: "second"}}})
	assert.Equal(t, "first", framesOf(t, s, 1)[0].Function)
	assert.Equal(t, 1, s.Stacks())
}

func TestSymbolsCopyWhatTheyKeep(t *testing.T) {
	t.Parallel()
	body := []byte("namefilebinary")
	view := unsafeString(body)
	s := NewSymbols()
	frames := []warehouse.Frame{{Function: view[:4], Filename: view[4:8], Mapping: view[8:]}}
	s.Add(warehouse.Stacktrace{ID: 1, Frames: frames})
	clear(body)
	clear(frames)
	assert.Equal(t, []warehouse.Frame{{Function: "name", Filename: "file", Mapping: "binary"}}, framesOf(t, s, 1))
}

func TestMissing(t *testing.T) {
	t.Parallel()
	s := folded(t, "a 1\nb 1\nc 1").symbols(anyRand()) // ids 1, 2, 3
	type ids = []warehouse.StacktraceID
	assert.Equal(t, ids{7, 0, -1}, s.Missing(ids{7}, ids{2, 0, 3, -1}))
	assert.Equal(t, ids{7}, s.Missing(ids{7}, ids{1, 2}))
	assert.Empty(t, s.Missing(nil, nil))
	_, ok := s.AppendFrames(nil, 9)
	assert.False(t, ok)
}

func TestSymbolsTakeOver(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		x := randomStacks(rng, 40)
		half := len(x.defs) / 2
		ids := x.ids()
		old := stacks{x.defs[:half], x.values[:half]}.symbols(rng)
		s := NewSymbolsFrom(old)

		asked := slices.Clone(ids[half/2:])
		missing := s.Missing([]warehouse.StacktraceID{42}, asked)
		assert.Equal(t, ids[half:], missing[1:], "what neither has")
		assert.Equal(t, ids[half/2:], asked, "the question stays as it was")
		for _, d := range x.defs[half/2 : half] {
			assert.Equal(t, d.Frames, framesOf(t, s, d.ID))
		}
		assert.Equal(t, half-half/2, s.Stacks(), "only what was asked for is copied")

		for _, d := range x.defs[half:] {
			s.Add(d)
		}
		assert.Empty(t, s.Missing(nil, ids))
		got, err := Build(s, ids, x.values)
		require.NoError(t, err)
		assert.True(t, x.tree(t, rng).Equal(got))
	})
}

// A generation does not keep those before its predecessor alive.
func TestSymbolsTakeOverOnlyOnce(t *testing.T) {
	t.Parallel()
	a := folded(t, "a 1").symbols(anyRand())
	b := NewSymbolsFrom(a)
	c := NewSymbolsFrom(b)
	assert.Equal(t, []warehouse.StacktraceID{1}, c.Missing(nil, []warehouse.StacktraceID{1}))
	assert.Equal(t, []warehouse.StacktraceID{1}, b.Missing(nil, []warehouse.StacktraceID{1}), "b has let go of a")

	d := NewSymbolsFrom(a)
	d.Detach()
	assert.Equal(t, []warehouse.StacktraceID{1}, d.Missing(nil, []warehouse.StacktraceID{1}))
}

func TestFrameName(t *testing.T) {
	t.Parallel()
	tests := []struct {
		frame warehouse.Frame
		want  string
	}{
		{warehouse.Frame{Function: "f", SystemName: "_f", Mapping: "m", Address: 1}, "f"},
		{warehouse.Frame{SystemName: "_f", Mapping: "m", Address: 1}, "_f"},
		{warehouse.Frame{Mapping: "libc.so.6", Address: 0x1f}, "libc.so.6+0x1f"},
		{warehouse.Frame{Address: 0x1f}, "0x1f"},
		{warehouse.Frame{}, "unknown"},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, FrameName(&tt.frame))
	}
}

// 26,000 stacktraces of 30 frames fit in a few megabytes.
func TestSymbolsSize(t *testing.T) {
	t.Parallel()
	w := newWorkload(4, 1)
	s := NewSymbols()
	frames := 0
	for s.Stacks() < 26_000 {
		st := w.stack()
		frames += len(st.Frames)
		s.Add(st)
	}
	t.Logf("%d frames, %d paths, %d calls, %d bytes", frames, s.paths.size(), s.calls.size(), s.SizeBytes())
	assert.Greater(t, frames, 26_000*25)
	assert.Less(t, s.SizeBytes(), int64(12<<20))
}

// Readers, writers, and generations that take over from each other, all at
// once; the race detector is the judge, and every answer must be whole.
func TestSymbolsConcurrency(t *testing.T) {
	t.Parallel()
	x := randomStacks(rand.New(rand.NewPCG(5, 5)), 400)
	want := x.tree(t, anyRand())
	old := stacks{x.defs[:200], nil}.symbols(anyRand())
	s := NewSymbolsFrom(old)

	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 6))
			for range 20 {
				byID := map[warehouse.StacktraceID]warehouse.Stacktrace{}
				for _, d := range x.defs {
					byID[d.ID] = d
				}
				for _, id := range s.Missing(nil, x.ids()) {
					s.Add(byID[id])
				}
				got, err := Build(s, x.ids(), x.values)
				if !assert.NoError(t, err) || !assert.True(t, want.Equal(got)) {
					return
				}
				_, err = Pprof(s, x.ids(), x.values, warehouse.ProfileType{}, PprofMeta{})
				assert.NoError(t, err)
				s.Add(warehouse.Stacktrace{ID: warehouse.StacktraceID(rng.Uint64()), Frames: []warehouse.Frame{{Function: fmt.Sprint(rng.Uint64())}}})
				assert.Positive(t, s.SizeBytes())
				if rng.IntN(10) == 0 {
					s.Detach()
				}
			}
		})
	}
	wg.Wait()
}
