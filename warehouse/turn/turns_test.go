package turn

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
)

func TestTenantsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := &Turns{Most: 2}
		take := func(tenant warehouse.Tenant) { require.NoError(t, turns.Take(t.Context(), tenant)) }
		var mu sync.Mutex
		var served []warehouse.Tenant
		queue := func(tenant warehouse.Tenant) {
			go func() {
				take(tenant)
				mu.Lock()
				served = append(served, tenant)
				mu.Unlock()
				turns.Give(tenant)
			}()
			synctest.Wait()
		}
		take("large")
		take("large")
		for range 3 {
			queue("large")
		}
		take("small") // though all are taken: it has none
		for range 2 {
			queue("small")
		}
		queue("third")
		assert.Empty(t, served)
		taken, waiting := turns.Count()
		assert.Equal(t, []int{3, 6}, []int{taken, waiting})
		turns.Give("small") // the one more goes round those who have none
		synctest.Wait()
		assert.Equal(t, []warehouse.Tenant{"small", "third", "small"}, served)
		turns.Give("large")
		synctest.Wait()
		turns.Give("large")
		assert.Equal(t, []warehouse.Tenant{"small", "third", "small", "large", "large", "large"}, served)
		taken, waiting = turns.Count()
		assert.Equal(t, []int{0, 0}, []int{taken, waiting})
	})
}

func TestOnlySoManyOfATenantWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := &Turns{Most: 1, MaxWaiting: 2}
		require.NoError(t, turns.Take(t.Context(), "a"))
		ctx, cancel := context.WithCancel(t.Context())
		for range 2 {
			go func() { assert.ErrorIs(t, turns.Take(ctx, "a"), context.Canceled) }()
			synctest.Wait()
		}
		err := turns.Take(t.Context(), "a")
		assert.Equal(t, warehouse.Limit, warehouse.KindOf(err))
		assert.ErrorContains(t, err, "tenant a has 2 requests that wait")
		require.NoError(t, turns.Take(t.Context(), "b"), "others have their own")
		cancel()
		synctest.Wait()
		turns.Give("a")
		require.NoError(t, turns.Take(t.Context(), "a"), "who left waits no more")
	})
}

// TestOverlap: whoever goes away while waiting takes nothing along, and there are
// never more than allowed.
func TestOverlap(t *testing.T) {
	t.Parallel()
	turns := &Turns{Most: 2}
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
				if turns.Take(ctx, tenant) == nil {
					n := held.Add(1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					held.Add(-1)
					turns.Give(tenant)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	assert.LessOrEqual(t, most.Load(), int64(3))
	assert.Zero(t, turns.mu.taken)
	assert.Empty(t, turns.mu.holding)
	assert.Empty(t, turns.mu.waiting)
	assert.Empty(t, turns.mu.turns)
}
