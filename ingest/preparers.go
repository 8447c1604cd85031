package ingest

import (
	"context"
	"slices"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

// preparers gives out Preparers, as many at once as there are processors, to the
// tenants that wait in turn. A tenant that has none when all are taken gets one
// more: nobody's profiles wait until another's large one is decoded. While a profile
// of a quiet tenant is on its way, others have half of them: its segment needs a
// processor, too.
//
// Concurrency: all methods may overlap.
type preparers struct {
	most int // at once, and one more

	mu struct {
		sync.Mutex
		free    []*profile.Preparer
		taken   int
		hurried int // profiles of quiet tenants on their way
		holding map[warehouse.Tenant]int
		waiting map[warehouse.Tenant][]chan *profile.Preparer // capacity 1 each, in the order of asking
		turns   []warehouse.Tenant                            // who waits; the first is next
	}
}

func newPreparers(most int) *preparers {
	p := &preparers{most: most}
	p.mu.holding = map[warehouse.Tenant]int{}
	p.mu.waiting = map[warehouse.Tenant][]chan *profile.Preparer{}
	return p
}

// take returns a Preparer, which is to be given back. It waits for one until ctx
// is done.
func (p *preparers) take(ctx context.Context, tenant warehouse.Tenant) (*profile.Preparer, error) {
	p.mu.Lock()
	if len(p.mu.waiting[tenant]) == 0 && p.mayTake(tenant) {
		defer p.mu.Unlock()
		return p.hand(tenant), nil
	}
	turn := make(chan *profile.Preparer, 1)
	if len(p.mu.waiting[tenant]) == 0 {
		p.mu.turns = append(p.mu.turns, tenant)
	}
	p.mu.waiting[tenant] = append(p.mu.waiting[tenant], turn)
	p.mu.Unlock()
	select {
	case pr := <-turn:
		return pr, nil
	case <-ctx.Done():
		p.leave(tenant, turn)
		return nil, ctx.Err()
	}
}

// mayTake reports whether the tenant may have one more now.
func (p *preparers) mayTake(tenant warehouse.Tenant) bool {
	held := p.mu.holding[tenant]
	if p.mu.hurried > 0 && held >= max(1, p.most/2) {
		return false
	}
	return p.mu.taken < p.most || p.mu.taken == p.most && held == 0
}

// hurry adds n to the profiles of quiet tenants that are on their way.
func (p *preparers) hurry(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.hurried += n; p.mu.hurried == 0 {
		p.serve()
	}
}

// hand gives one to the tenant.
func (p *preparers) hand(tenant warehouse.Tenant) *profile.Preparer {
	p.mu.taken++
	p.mu.holding[tenant]++
	last := len(p.mu.free) - 1
	if last < 0 {
		return new(profile.Preparer)
	}
	pr := p.mu.free[last]
	p.mu.free = p.mu.free[:last]
	return pr
}

// give takes a Preparer back and hands it to whose turn it is.
func (p *preparers) give(tenant warehouse.Tenant, pr *profile.Preparer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.free = append(p.mu.free, pr)
	p.mu.taken--
	if p.mu.holding[tenant]--; p.mu.holding[tenant] == 0 {
		delete(p.mu.holding, tenant)
	}
	p.serve()
}

// serve hands out what may be taken, in turn.
func (p *preparers) serve() {
	for i := 0; i < len(p.mu.turns); {
		t := p.mu.turns[i]
		if !p.mayTake(t) {
			if p.mu.taken > p.most {
				return
			}
			i++ // it is for somebody else
			continue
		}
		queue := p.mu.waiting[t]
		queue[0] <- p.hand(t)
		p.mu.turns = slices.Delete(p.mu.turns, i, i+1)
		if p.setQueue(t, queue[1:]); len(queue) > 1 {
			p.mu.turns = append(p.mu.turns, t)
		}
	}
}

func (p *preparers) setQueue(t warehouse.Tenant, queue []chan *profile.Preparer) {
	if len(queue) == 0 {
		delete(p.mu.waiting, t)
		return
	}
	p.mu.waiting[t] = queue
}

// leave ends the wait of a turn. If it was served meanwhile, what it got is given on.
func (p *preparers) leave(tenant warehouse.Tenant, turn chan *profile.Preparer) {
	p.mu.Lock()
	queue := p.mu.waiting[tenant]
	if i := slices.Index(queue, turn); i >= 0 {
		p.setQueue(tenant, slices.Delete(queue, i, i+1))
		if len(queue) == 1 {
			p.mu.turns = slices.DeleteFunc(p.mu.turns, func(t warehouse.Tenant) bool { return t == tenant })
		}
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	p.give(tenant, <-turn)
}
