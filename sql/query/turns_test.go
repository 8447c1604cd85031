package query

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/cache"
)

// stuckSections are on a disk that does not answer: whoever reads samples waits until
// the context of the call ends.
type stuckSections struct {
	Sections
	isStuck atomic.Bool
	reached chan struct{} // one element a call that waits
}

func (s *stuckSections) Read(ctx context.Context, p *warehouse.Part, t warehouse.Table) ([]byte, error) {
	if err := s.wait(ctx, t); err != nil {
		return nil, err
	}
	return s.Sections.Read(ctx, p, t)
}

func (s *stuckSections) Acquire(ctx context.Context, p *warehouse.Part, t warehouse.Table) (*cache.Local, error) {
	if err := s.wait(ctx, t); err != nil {
		return nil, err
	}
	return s.Sections.Acquire(ctx, p, t)
}

func (s *stuckSections) wait(ctx context.Context, t warehouse.Table) error {
	if t != warehouse.TableSamples || !s.isStuck.Load() {
		return nil
	}
	s.reached <- struct{}{}
	<-ctx.Done()
	return ctx.Err()
}

// TestQueriesWaitForTheirTurn: with one turn, the second question of a tenant waits,
// the third is refused, another tenant is served at once, label questions do not
// wait, and a canceled question frees its turn at once.
func TestQueriesWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	typ := benchType
	series := func(tenant warehouse.Tenant) fact {
		return fact{tenant: tenant, series: seriesOf(typ, "s", "pod", "1"), time: hour0.Start() + 1, id: profileID(1), samples: []sampleFact{{stack: w.stack("leaf", "root"), value: 7}}}
	}
	w.store(0, []fact{series(tenantA), series(tenantB)}, func() bool { return true })
	s := w.service(Options{MaxRunning: 1, MaxWaiting: 1, NoRollups: true})
	stuck := &stuckSections{Sections: s.opts.Sections, reached: make(chan struct{}, 10)}
	s.opts.Sections = stuck
	ask := func(ctx context.Context, tenant warehouse.Tenant) error {
		tree, err := s.Tree(ctx, Selection{Tenant: tenant, Type: typ, Range: whole})
		if err == nil {
			assert.Equal(t, int64(7), tree.Total())
		}
		return err
	}

	stuck.isStuck.Store(true)
	first, cancelFirst := context.WithCancel(t.Context())
	defer cancelFirst()
	var g, waiting errgroup.Group
	g.Go(func() error { return ask(first, tenantA) })
	<-stuck.reached
	stuck.isStuck.Store(false)

	waiting.Go(func() error { return ask(t.Context(), tenantA) })
	require.Eventually(t, func() bool { _, n := s.turns.Count(); return n == 1 }, 10*time.Second, time.Millisecond)
	err := ask(t.Context(), tenantA)
	require.Equal(t, warehouse.Limit, warehouse.KindOf(err), err)
	require.ErrorContains(t, err, "wait for their turn")
	require.NoError(t, ask(t.Context(), tenantB), "another tenant has a turn of its own")
	names, err := s.LabelNames(t.Context(), tenantA, nil, whole)
	require.NoError(t, err)
	assert.Contains(t, names, "pod")

	late, cancelLate := context.WithCancel(t.Context())
	cancelLate()
	require.Equal(t, warehouse.Canceled, warehouse.KindOf(ask(late, tenantB)))

	cancelFirst()
	require.Equal(t, warehouse.Canceled, warehouse.KindOf(g.Wait()))
	require.NoError(t, waiting.Wait(), "whoever waited is served")
	running, left := s.turns.Count()
	assert.Equal(t, []int{0, 0}, []int{running, left})
}

// TestTotalsTakeTheirOwnRoom: totals of a part with very many samples take the memory
// of the totals. They used to reserve that of the samples, which nothing counted.
func TestTotalsTakeTheirOwnRoom(t *testing.T) {
	t.Parallel()
	b := newSliceBuilder(&target{part: &warehouse.Part{}, rows: 1 << 40}, new(stackDict))
	for i := range 1000 {
		b.add(1, uint32(i), warehouse.StacktraceID(i), int64(i)<<uint(i%40))
	}
	s := b.finish()
	assert.Len(t, s.stacks, 1000)
	assert.Equal(t, []int{1000, 1000, 1000}, []int{cap(s.stacks), cap(s.runs), cap(s.large)})
}
