package query

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/flame"
)

// TestSymbolsAreLoadedOnce: a query adds all that its parts define, and from then
// on nothing is read; if that is much, it adds only what it wants.
func TestSymbolsAreLoadedOnce(t *testing.T) {
	t.Parallel()
	const n = 100
	w := newWorld(t)
	types := []warehouse.ProfileType{cpu, samples, inuse}
	var facts []fact
	for i := range 3 * n {
		typ := types[i%3]
		facts = append(facts, fact{
			tenant: tenantA, series: seriesOf(typ, "api"), time: hour0.Start() + warehouse.Micros(i), id: profileID(i),
			samples: []sampleFact{{stack: w.stack("main", fmt.Sprint(i)), value: 1}},
		})
	}
	w.store(1, facts, func() bool { return true })
	s := w.service(Options{})
	ask := func(typ warehouse.ProfileType) int {
		tree, err := s.Tree(t.Context(), Selection{Tenant: tenantA, Type: typ, Range: whole, Matchers: matchers(t, "{}")})
		require.NoError(t, err)
		require.Equal(t, int64(n), tree.Total())
		return s.opts.Symbols.For(tenantA).Stacks()
	}
	s.manyStacks = 3*n - 1
	require.Equal(t, n, ask(cpu))
	s.manyStacks = 3 * n
	require.Equal(t, 3*n, ask(samples))
	s.opts.Sections = noStacks{s.opts.Sections}
	require.Equal(t, 3*n, ask(inuse))
}

// noStacks is sections whose stacktraces nobody may read.
type noStacks struct{ Sections }

func (s noStacks) Read(ctx context.Context, p *warehouse.Part, t warehouse.Table) ([]byte, error) {
	if t == warehouse.TableStacktraces {
		return nil, errors.New("read stacktraces")
	}
	return s.Sections.Read(ctx, p, t)
}

func TestLoadedSymbolsForgetOtherGenerations(t *testing.T) {
	t.Parallel()
	one, two := flame.NewSymbols(), flame.NewSymbols()
	l := newLoadedSymbols()
	part := &warehouse.Part{Tenant: tenantA, Hour: 1}
	other := &warehouse.Part{Tenant: tenantA, Hour: 2}
	parts := []*warehouse.Part{part, other}
	require.Equal(t, parts, l.missing(one, parts))
	l.add(one, part)
	require.Equal(t, parts[1:], l.missing(one, parts))
	require.Equal(t, parts, l.missing(two, parts))
	l.add(two, other)
	require.Equal(t, parts[:1], l.missing(two, parts))
	require.Equal(t, parts, l.missing(one, parts), "only the current generation is known")
}
