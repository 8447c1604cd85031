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

// TestSymbolsAreLoadedByNeed: a first query adds what it wants, the second one
// that reads the same parts all they have, and from then on nothing is read.
func TestSymbolsAreLoadedByNeed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	types := []warehouse.ProfileType{cpu, samples, inuse}
	var facts []fact
	for i := range 3 * fewStacks {
		typ := types[i%3]
		facts = append(facts, fact{
			tenant: tenantA, series: seriesOf(typ, "api"), time: hour0.Start() + warehouse.Micros(i), id: profileID(i),
			samples: []sampleFact{{stack: w.stack("main", fmt.Sprint(i)), value: 1}},
		})
	}
	w.store(1, facts, func() bool { return true })
	s := w.service(Options{})
	ask := func(typ warehouse.ProfileType, services string) int {
		tree, err := s.Tree(t.Context(), Selection{Tenant: tenantA, Type: typ, Range: whole, Matchers: matchers(t, services)})
		require.NoError(t, err)
		require.Equal(t, int64(fewStacks), tree.Total())
		return s.opts.Symbols.For(tenantA).Stacks()
	}
	require.Equal(t, fewStacks, ask(cpu, "{}"))
	require.Equal(t, 3*fewStacks, ask(samples, "{}"))
	s.opts.Sections = noStacks{s.opts.Sections}
	require.Equal(t, 3*fewStacks, ask(inuse, "{}"))
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
	part := func(rows int64) *warehouse.Part {
		return &warehouse.Part{Tenant: tenantA, Hour: warehouse.Hour(rows), Sections: []warehouse.Section{{Table: warehouse.TableStacktraces, Rows: rows}}}
	}
	few, many := part(fewStacks), part(manyStacks+1)
	one, two := flame.NewSymbols(), flame.NewSymbols()
	l := newLoadedSymbols()
	check := func(symbols *flame.Symbols, p *warehouse.Part, isWhole, isSome bool) {
		t.Helper()
		whole, some := l.missing(symbols, []*warehouse.Part{p})
		require.Equal(t, isWhole, len(whole) == 1)
		require.Equal(t, isSome, len(some) == 1)
	}
	check(one, few, true, false)
	l.set(one, few, allLoaded)
	l.set(one, few, someLoaded)
	check(one, few, false, false)
	check(two, few, true, false)
	check(two, many, false, true)
	l.set(two, many, someLoaded)
	check(two, many, false, true)

	// More than a few, but not many: the second time as a whole.
	medium := part(fewStacks + 1)
	check(two, medium, false, true)
	l.set(two, medium, someLoaded)
	check(two, medium, true, false)
}
