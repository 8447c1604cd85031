package ingest

import (
	"context"
	"encoding/binary"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

// push is one request on its way. Its profiles are prepared several at once, and
// each is launched as soon as it is: a large request needs no more memory than the
// budget has, and its first profiles are stored while its last are decoded.
type push struct {
	in      *Ingester
	tenant  warehouse.Tenant
	raws    []profile.Raw
	results []warehouse.PushResult
	flights []*flight // by profile; nil for those that are refused

	mu struct {
		sync.Mutex
		equal  map[warehouse.ProfileID]int // how many profiles have this id of their content
		flying []*flight                   // launched, and not seen to have landed
	}
}

// Push stores the profiles and returns the outcome of each, in order: an error,
// or nil when the profile is durable and visible. Errors are Invalid or Limit
// when the profile itself is refused, Unavailable when the same push may succeed
// later. A profile that is registered already, or is twice in the request under
// one client-given id, counts once and is a success.
func (in *Ingester) Push(ctx context.Context, tenant warehouse.Tenant, raws []profile.Raw) []warehouse.PushResult {
	p := &push{
		in: in, tenant: tenant, raws: raws,
		results: make([]warehouse.PushResult, len(raws)), flights: make([]*flight, len(raws)),
	}
	p.mu.equal = map[warehouse.ProfileID]int{}
	p.prepareAll(ctx)
	for i, f := range p.flights {
		if f != nil {
			p.results[i].Err = f.wait(ctx)
		}
		in.metrics.pushed(p.results[i].Err)
	}
	return p.results
}

func (p *push) prepareAll(ctx context.Context) {
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < len(p.raws); i = int(next.Add(1)) - 1 {
			p.flights[i], p.results[i].Flags, p.results[i].Err = p.start(ctx, p.raws[i])
		}
	}
	var wg sync.WaitGroup
	for range min(len(p.raws), p.in.preparers.turns.Most) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}

// start prepares a profile and sends it on its way.
func (p *push) start(ctx context.Context, raw profile.Raw) (*flight, warehouse.ProfileFlags, error) {
	prepared, err := p.prepare(ctx, raw, 0)
	if err == nil && prepared.Deduplicated && raw.ID == "" {
		prepared, err = p.tellApart(ctx, raw, prepared)
	}
	if err != nil {
		return nil, 0, err
	}
	f := p.in.launch(p.tenant, prepared)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.flying = append(p.mu.flying, f)
	return f, warehouse.ProfileFlags(prepared.Flags), nil
}

// tellApart gives equal profiles of one request, which have no id of the
// client's, ids of their own: a client that sends a profile twice in one request
// means two profiles, and a retry of the request repeats both ids, whichever of the
// two gets which.
func (p *push) tellApart(ctx context.Context, raw profile.Raw, prepared *profile.Prepared) (*profile.Prepared, error) {
	p.mu.Lock()
	ordinal := p.mu.equal[prepared.ID]
	p.mu.equal[prepared.ID]++
	p.mu.Unlock()
	if ordinal == 0 {
		return prepared, nil
	}
	p.in.budget.release(p.tenant, prepared.SizeBytes)
	return p.prepare(ctx, raw, ordinal)
}

// prepare decodes one profile, which then holds SizeBytes of the memory budget.
func (p *push) prepare(ctx context.Context, raw profile.Raw, ordinal int) (*profile.Prepared, error) {
	in := p.in
	limits := *in.opts.Limits
	size := estimate(raw.Body, limits.MaxBytes)
	if err := p.reserve(ctx, size); err != nil {
		return nil, err
	}
	pr, err := in.preparers.take(ctx, p.tenant)
	if err != nil {
		in.budget.release(p.tenant, size)
		return nil, err
	}
	prepared, err := pr.Prepare(p.tenant, raw, ordinal, in.now(), limits)
	in.preparers.give(p.tenant, pr)
	if err != nil {
		in.budget.release(p.tenant, size)
		return nil, err
	}
	in.budget.grow(p.tenant, prepared.SizeBytes-size)
	if err := in.checkAge(prepared); err != nil {
		in.budget.release(p.tenant, prepared.SizeBytes)
		return nil, err
	}
	return prepared, nil
}

// checkAge refuses a profile that retention would delete at once. One of several types
// stays as long as one of them does.
func (in *Ingester) checkAge(p *profile.Prepared) error {
	if in.opts.Retention == nil || len(p.Series) == 0 {
		return nil
	}
	var types []string
	for i := range p.Series {
		if typ := p.Series[i].Type.String(); !slices.Contains(types, typ) {
			types = append(types, typ)
		}
	}
	service := p.Series[0].Service()
	if oldest := in.opts.Retention.Oldest(p.Tenant, service, types); p.Time < oldest {
		return warehouse.Refuse(warehouse.Invalid, warehouse.ReasonNotInWindow,
			"date profile: its time %s is before %s, from when on profiles of service %q are kept", p.Time, oldest, service)
	}
	return nil
}

// reserve takes n bytes of the budget. It waits while the push has profiles on their
// way, whose landing frees memory, and a little in any case: a moment's delay costs
// a client less than a retry.
func (p *push) reserve(ctx context.Context, n int64) error {
	var patience <-chan time.Time
	for {
		freed := p.in.budget.freed()
		err := p.in.budget.reserve(p.tenant, n)
		if warehouse.KindOf(err) != warehouse.Unavailable {
			return err
		}
		if patience == nil {
			patience = time.After(p.in.patience)
		}
		enough := patience
		if p.isUnderWay() {
			enough = nil
		}
		select {
		case <-freed:
		case <-enough:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// isUnderWay reports whether a profile of the push has not landed yet.
func (p *push) isUnderWay() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.mu.flying) > 0 {
		select {
		case <-p.mu.flying[0].done:
			p.mu.flying = p.mu.flying[1:]
		default:
			return true
		}
	}
	return false
}

func preparerCount() int { return max(2, runtime.GOMAXPROCS(0)) }

// estimate guesses the memory a body takes once decoded: itself, its inflated
// form by the gzip trailer (which counts modulo 2^32 and may lie, hence the
// bound), and about as much again for what is decoded from it.
func estimate(body []byte, limit int64) int64 {
	n := int64(len(body))
	inflated := n
	if n > 18 && body[0] == 0x1f && body[1] == 0x8b {
		inflated = min(limit, int64(binary.LittleEndian.Uint32(body[n-4:])))
	}
	return n + 2*inflated
}
