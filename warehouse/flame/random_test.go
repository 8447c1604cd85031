package flame

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// stacks are definitions with a value each.
type stacks struct {
	defs   []warehouse.Stacktrace
	values []int64
}

func (x stacks) ids() []warehouse.StacktraceID {
	ids := make([]warehouse.StacktraceID, len(x.defs))
	for i, d := range x.defs {
		ids[i] = d.ID
	}
	return ids
}

// symbols returns a Symbols that knows x, filled in random order.
func (x stacks) symbols(rng *rand.Rand) *Symbols {
	s := NewSymbols()
	for _, i := range rng.Perm(len(x.defs)) {
		s.Add(x.defs[i])
	}
	return s
}

func (x stacks) tree(t testing.TB, rng *rand.Rand) *Tree {
	t.Helper()
	tree, err := Build(x.symbols(rng), x.ids(), x.values)
	require.NoError(t, err)
	return tree
}

// vocabulary has names that invite mistakes: those with a meaning in this
// package, prefixes of each other, the empty one, bytes that are no UTF-8.
var vocabulary = []string{"main", "main.run", "main.run.func1", "a", "b", "c", "other", "total", "", "naïve", "\xff\xfe", "z\"\\\n"}

// randomStacks returns up to n distinct stacktraces.
func randomStacks(rng *rand.Rand, n int) stacks {
	var out stacks
	seen := map[string]bool{}
	for range n {
		var frames []warehouse.Frame
		for range rng.IntN(9) {
			frames = append(frames, randomFrame(rng))
		}
		if len(frames) > 0 {
			frames[len(frames)-1].Inlined = false // into what?
		}
		if key := fmt.Sprint(frames); !seen[key] {
			seen[key] = true
			id := warehouse.StacktraceID(rng.Uint64())
			out.defs = append(out.defs, warehouse.Stacktrace{ID: id, Frames: frames})
			out.values = append(out.values, rng.Int64N(1+rng.Int64N(1000)))
		}
	}
	return out
}

func randomFrame(rng *rand.Rand) warehouse.Frame {
	f := warehouse.Frame{
		Function: vocabulary[rng.IntN(1+rng.IntN(len(vocabulary)))],
		Filename: []string{"", "a.go", "b.go"}[rng.IntN(3)],
		Line:     int64(rng.IntN(3)) - 1,
		Mapping:  []string{"", "app", "libc.so"}[rng.IntN(3)],
		Inlined:  rng.IntN(4) == 0,
	}
	f.SystemName = f.Function
	if rng.IntN(8) == 0 {
		f.SystemName, f.StartLine, f.BuildID = "_Z"+f.Function, 7, "1234"
	}
	if rng.IntN(8) == 0 {
		f.SystemName, f.Address = "", rng.Uint64()>>rng.IntN(64)
	}
	return f
}

// plain is a call tree without any cleverness, to compare with.
type plain struct {
	self [2]int64
	kids map[string]*plain
}

func (p *plain) kid(name string) *plain {
	if p.kids == nil {
		p.kids = map[string]*plain{}
	}
	if p.kids[name] == nil {
		p.kids[name] = &plain{}
	}
	return p.kids[name]
}

func (p *plain) add(side int, names []string, v int64) {
	for _, n := range names {
		p = p.kid(n)
	}
	p.self[side] += v
}

func (p *plain) total() (t [2]int64) {
	t = p.self
	for _, k := range p.kids {
		x := k.total()
		t[0] += x[0]
		t[1] += x[1]
	}
	return t
}

func (p *plain) names() []string {
	var out []string
	for n, k := range p.kids {
		if k.total() != [2]int64{} {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// String has the form of [Tree.String], or two selfs and totals a line.
func (p *plain) text(sides int) string {
	var b strings.Builder
	var walk func(name string, p *plain, depth int)
	walk = func(name string, p *plain, depth int) {
		t := p.total()
		fmt.Fprintf(&b, "%s%s", strings.Repeat("  ", depth), name)
		for s := range sides {
			fmt.Fprintf(&b, " %d %d", p.self[s], t[s])
		}
		b.WriteByte('\n')
		for _, n := range p.names() {
			walk(n, p.kids[n], depth+1)
		}
	}
	walk(RootName, p, 0)
	return b.String()
}

// plainTree adds the stacks up one by one.
func plainTree(sides ...stacks) *plain {
	root := &plain{}
	for side, x := range sides {
		for i, d := range x.defs {
			root.add(side, rootFirst(d.Frames), x.values[i])
		}
	}
	return root
}

func rootFirst(frames []warehouse.Frame) []string {
	var names []string
	for i := len(frames) - 1; i >= 0; i-- {
		names = append(names, FrameName(&frames[i]))
	}
	return names
}

// rebuild turns boxes back into a tree as Grafana does: a box's parent is the
// box above whose interval contains it. Any box without one is an error.
func rebuild(names []string, levels [][]int64, sides int) (*plain, error) {
	type box struct {
		from, to int64
		p        *plain
	}
	width := 3*sides + 1
	root := &plain{}
	var above []box
	for depth, level := range levels {
		if len(level)%width != 0 || len(level) == 0 {
			return nil, fmt.Errorf("level %d has %d values", depth, len(level))
		}
		var row []box
		var x [2]int64
		for i := 0; i < len(level); i += width {
			var self, total [2]int64
			for s := range sides {
				x[s] += level[i+3*s]
				total[s], self[s] = level[i+3*s+1], level[i+3*s+2]
				if level[i+3*s] < 0 || self[s] < 0 || total[s] < self[s] {
					return nil, fmt.Errorf("level %d: bad box %v", depth, level[i:i+width])
				}
			}
			b := box{from: x[0] + x[1], to: x[0] + x[1] + total[0] + total[1], p: root}
			x[0] += total[0]
			x[1] += total[1]
			name := level[i+width-1]
			if name < 0 || name >= int64(len(names)) || (depth == 0) != (name == 0) {
				return nil, fmt.Errorf("level %d: name %d", depth, name)
			}
			if depth > 0 {
				at := slices.IndexFunc(above, func(p box) bool { return p.from <= b.from && b.to <= p.to })
				if at < 0 {
					return nil, fmt.Errorf("level %d: box %d…%d has no parent", depth, b.from, b.to)
				}
				if _, twice := above[at].p.kids[names[name]]; twice {
					return nil, fmt.Errorf("level %d: two boxes %q below one", depth, names[name])
				}
				b.p = above[at].p.kid(names[name])
			}
			b.p.self = self
			row = append(row, b)
		}
		above = row
	}
	return root, nil
}

// eachSeed runs fn with random sources of many seeds; -short takes fewer.
func eachSeed(t *testing.T, fn func(t *testing.T, rng *rand.Rand)) {
	t.Helper()
	seeds := uint64(150)
	if testing.Short() {
		seeds = 30
	}
	for seed := range seeds {
		fn(t, rand.New(rand.NewPCG(seed, 1)))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
