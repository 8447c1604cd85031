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

// TestSymbolsAreLoadedOnce: the first query adds what it wants, the second all
// that its parts define, and from then on nothing is read. If all are many, a
// query adds only what it wants; if they are mostly wanted, the first adds all.
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
	var s *Service
	ask := func(typ warehouse.ProfileType) int {
		tree, err := s.Tree(t.Context(), Selection{Tenant: tenantA, Type: typ, Range: whole, Matchers: matchers(t, "{}")})
		require.NoError(t, err)
		require.Equal(t, int64(n), tree.Total())
		return s.opts.Symbols.For(tenantA).Stacks()
	}
	s = w.service(Options{})
	s.manyStacks = 3*n - 1
	require.Equal(t, n, ask(cpu))
	require.Equal(t, 2*n, ask(samples))
	s.manyStacks = 3 * n
	require.Equal(t, 3*n, ask(inuse))

	s = w.service(Options{})
	s.manyStacks = 3 * n
	require.Equal(t, n, ask(cpu))
	require.Equal(t, 3*n, ask(samples))
	s.opts.Sections = noStacks{s.opts.Sections}
	require.Equal(t, 3*n, ask(inuse))

	w.parts = nil // the next ones define two thirds of what is asked for
	w.isDefined = false
	facts[0].samples = append(facts[0].samples, facts[1].samples...)
	w.store(1, facts[:2], func() bool { return true })
	s = w.service(Options{})
	tree, err := s.Tree(t.Context(), Selection{Tenant: tenantA, Type: cpu, Range: whole, Matchers: matchers(t, "{}")})
	require.NoError(t, err)
	require.Equal(t, int64(2), tree.Total())
	s.opts.Sections = noStacks{s.opts.Sections}
	tree, err = s.Tree(t.Context(), Selection{Tenant: tenantA, Type: samples, Range: whole, Matchers: matchers(t, "{}")})
	require.NoError(t, err)
	require.Equal(t, int64(1), tree.Total())
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
	check := func(s *flame.Symbols, want []*warehouse.Part, wantAgain bool, why string) {
		t.Helper()
		missing, again := l.missing(s, parts)
		require.Equal(t, want, missing, why)
		require.Equal(t, wantAgain, again, why)
	}
	check(one, parts, false, "nothing is read")
	l.add(one, part, false)
	check(one, parts, true, "one was read in part")
	l.add(one, part, true)
	l.add(one, part, false)
	check(one, parts[1:], false, "what is whole stays so")
	check(two, parts, false, "another generation has nothing")
	l.add(two, other, true)
	check(two, parts[:1], false, "and then its own")
	check(one, parts, false, "only the current generation is known")
}
