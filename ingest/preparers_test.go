package ingest

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

func TestPreparersServeTenantsInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPreparers(2)
		take := func(tenant warehouse.Tenant) *profile.Preparer {
			pr, err := p.take(t.Context(), tenant)
			require.NoError(t, err)
			return pr
		}
		var mu sync.Mutex
		var served []warehouse.Tenant
		queue := func(tenant warehouse.Tenant) {
			go func() {
				pr := take(tenant)
				mu.Lock()
				served = append(served, tenant)
				mu.Unlock()
				p.give(tenant, pr)
			}()
			synctest.Wait()
		}
		one, two := take("large"), take("large")
		for range 3 {
			queue("large")
		}
		small := take("small") // though all are taken: it has none
		for range 2 {
			queue("small")
		}
		queue("third")
		assert.Empty(t, served)
		p.give("small", small) // the one more goes round those who have none
		synctest.Wait()
		assert.Equal(t, []warehouse.Tenant{"small", "third", "small"}, served)
		p.give("large", one)
		synctest.Wait()
		p.give("large", two)
		assert.Equal(t, []warehouse.Tenant{"small", "third", "small", "large", "large", "large"}, served)
		assert.Zero(t, p.mu.taken)
		assert.Len(t, p.mu.free, 3)
	})
}

// TestPreparersOverlap: whoever goes away while waiting takes nothing along, and
// there are never more than allowed.
func TestPreparersOverlap(t *testing.T) {
	t.Parallel()
	p := newPreparers(2)
	var held, most atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			tenant := warehouse.Tenant([]string{"a", "a", "a", "b", "c"}[i%5])
			for range 2000 {
				ctx, cancel := context.WithCancel(t.Context())
				if rng.IntN(3) == 0 {
					go cancel()
				}
				if pr, err := p.take(ctx, tenant); err == nil {
					n := held.Add(1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					held.Add(-1)
					p.give(tenant, pr)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	assert.LessOrEqual(t, most.Load(), int64(3))
	assert.Zero(t, p.mu.taken)
	assert.Empty(t, p.mu.holding)
	assert.Empty(t, p.mu.waiting)
	assert.Empty(t, p.mu.turns)
	assert.LessOrEqual(t, len(p.mu.free), 3)
}
