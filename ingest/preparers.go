package ingest

import (
	"context"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
	"github.com/stackhouse-db/stackhouse/warehouse/turn"
)

// preparers gives out Preparers, as many at once as there are processors, to the
// tenants that wait in turn: nobody's profiles wait until another's large one is
// decoded. While a profile of a quiet tenant is on its way, others have half of them:
// its segment needs a processor, too.
//
// Concurrency: all methods may overlap.
type preparers struct {
	turns turn.Turns

	mu   sync.Mutex // guards what is below
	free []*profile.Preparer
}

func newPreparers(most int) *preparers { return &preparers{turns: turn.Turns{Most: most}} }

// take returns a Preparer, which is to be given back. It waits for one until ctx
// is done.
func (p *preparers) take(ctx context.Context, tenant warehouse.Tenant) (*profile.Preparer, error) {
	if err := p.turns.Take(ctx, tenant); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.free) - 1
	if last < 0 {
		return new(profile.Preparer), nil
	}
	pr := p.free[last]
	p.free = p.free[:last]
	return pr, nil
}

// give takes a Preparer back.
func (p *preparers) give(tenant warehouse.Tenant, pr *profile.Preparer) {
	p.mu.Lock()
	p.free = append(p.free, pr)
	p.mu.Unlock()
	p.turns.Give(tenant)
}

// hurry adds n to the profiles of quiet tenants that are on their way.
func (p *preparers) hurry(n int) { p.turns.Hurry(n) }
