// Package turn lets a bounded number of holders in at once and has the tenants that
// wait take turns, whatever each of them asks for.
//
// It bounds how much is done at once, not how much memory that takes, and knows
// nothing of what is done.
package turn

import (
	"context"
	"slices"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Turns gives out turns. A tenant that has none when all are taken gets one more:
// nobody waits until the long work of another is done. Within a tenant, who asked
// first is served first.
//
// The zero value lets nobody in; Most is set before the first use.
//
// Concurrency: all methods may overlap.
type Turns struct {
	Most       int // turns at once, and one more; at least 1
	MaxWaiting int // who may wait, of one tenant; more are refused; 0 is no bound

	mu struct {
		sync.Mutex
		taken   int
		hurried int
		holding map[warehouse.Tenant]int
		waiting map[warehouse.Tenant][]chan struct{} // closed when served, in the order of asking
		turns   []warehouse.Tenant                   // who waits; the first is next
	}
}

// Take waits for a turn, which is to be given back.
//
// Errors: Limit when too many of the tenant wait already; else that of ctx.
func (t *Turns) Take(ctx context.Context, tenant warehouse.Tenant) error {
	t.mu.Lock()
	queue := t.mu.waiting[tenant]
	if len(queue) == 0 && t.mayTake(tenant) {
		defer t.mu.Unlock()
		t.hand(tenant)
		return nil
	}
	if t.MaxWaiting > 0 && len(queue) >= t.MaxWaiting {
		t.mu.Unlock()
		return warehouse.Errorf(warehouse.Limit, "tenant %s has %d requests that wait for their turn, which is the limit", tenant, t.MaxWaiting)
	}
	served := make(chan struct{})
	if len(queue) == 0 {
		t.mu.turns = append(t.mu.turns, tenant)
	}
	if t.mu.waiting == nil {
		t.mu.waiting = map[warehouse.Tenant][]chan struct{}{}
	}
	t.mu.waiting[tenant] = append(queue, served)
	t.mu.Unlock()
	select {
	case <-served:
		return nil
	case <-ctx.Done():
		t.leave(tenant, served)
		return ctx.Err()
	}
}

// mayTake reports whether the tenant may have one more now.
func (t *Turns) mayTake(tenant warehouse.Tenant) bool {
	held := t.mu.holding[tenant]
	if t.mu.hurried > 0 && held >= max(1, t.Most/2) {
		return false
	}
	return t.mu.taken < t.Most || t.mu.taken == t.Most && held == 0
}

// hand gives one to the tenant.
func (t *Turns) hand(tenant warehouse.Tenant) {
	if t.mu.holding == nil {
		t.mu.holding = map[warehouse.Tenant]int{}
	}
	t.mu.taken++
	t.mu.holding[tenant]++
}

// Give takes a turn back and hands it to whose it is next.
func (t *Turns) Give(tenant warehouse.Tenant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.taken--
	if t.mu.holding[tenant]--; t.mu.holding[tenant] == 0 {
		delete(t.mu.holding, tenant)
	}
	t.serve()
}

// Hurry adds n to what has to be done soon: while there is any, a tenant has at most
// half of the turns.
func (t *Turns) Hurry(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.hurried += n; t.mu.hurried == 0 {
		t.serve()
	}
}

// Count returns how many have a turn, and how many wait for one.
func (t *Turns) Count() (taken, waiting int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, queue := range t.mu.waiting {
		waiting += len(queue)
	}
	return t.mu.taken, waiting
}

// serve hands out what may be taken, in turn.
func (t *Turns) serve() {
	for i := 0; i < len(t.mu.turns); {
		tenant := t.mu.turns[i]
		if !t.mayTake(tenant) {
			if t.mu.taken > t.Most {
				return
			}
			i++ // it is for somebody else
			continue
		}
		queue := t.mu.waiting[tenant]
		t.hand(tenant)
		close(queue[0])
		t.mu.turns = slices.Delete(t.mu.turns, i, i+1)
		if t.setQueue(tenant, queue[1:]); len(queue) > 1 {
			t.mu.turns = append(t.mu.turns, tenant)
		}
	}
}

func (t *Turns) setQueue(tenant warehouse.Tenant, queue []chan struct{}) {
	if len(queue) == 0 {
		delete(t.mu.waiting, tenant)
		return
	}
	t.mu.waiting[tenant] = queue
}

// leave ends a wait. If it was served meanwhile, its turn is given on.
func (t *Turns) leave(tenant warehouse.Tenant, served chan struct{}) {
	t.mu.Lock()
	queue := t.mu.waiting[tenant]
	if i := slices.Index(queue, served); i >= 0 {
		t.setQueue(tenant, slices.Delete(queue, i, i+1))
		if len(queue) == 1 {
			t.mu.turns = slices.DeleteFunc(t.mu.turns, func(other warehouse.Tenant) bool { return other == tenant })
		}
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	t.Give(tenant)
}
