package ingest

import (
	"context"
	"encoding/binary"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

func preparerCount() int { return max(2, runtime.GOMAXPROCS(0)) }

// prepareAll prepares the profiles of one push, several at once, and calls done
// for each in the order of the request, from this goroutine: with the prepared
// profile and the bytes it holds of the budget, or with the reason for its refusal.
func (in *Ingester) prepareAll(ctx context.Context, tenant warehouse.Tenant, raws []profile.Raw, done func(i int, p *profile.Prepared, size int64, err error)) {
	type outcome struct {
		p    *profile.Prepared
		size int64
		err  error
	}
	outcomes := make([]outcome, len(raws))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(len(raws), in.preparers.most) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(raws); i = int(next.Add(1)) - 1 {
				o := &outcomes[i]
				o.p, o.size, o.err = in.prepare(ctx, tenant, raws[i], 0)
			}
		})
	}
	wg.Wait()
	seen := make(map[warehouse.ProfileID]int, len(raws))
	for i, o := range outcomes {
		if o.err == nil && o.p.Deduplicated && raws[i].ID == "" {
			o.p, o.size, o.err = in.tellApart(ctx, tenant, raws[i], seen, o.p, o.size)
		}
		done(i, o.p, o.size, o.err)
	}
}

// tellApart gives equal profiles of one request, which have no id of the
// client's, ids of their own: a client that sends a profile twice in one request
// means two profiles, and a retry of the request repeats both ids.
func (in *Ingester) tellApart(ctx context.Context, tenant warehouse.Tenant, raw profile.Raw, seen map[warehouse.ProfileID]int, p *profile.Prepared, size int64) (*profile.Prepared, int64, error) {
	first := p.ID
	ordinal := seen[first]
	seen[first]++
	if ordinal == 0 {
		return p, size, nil
	}
	in.budget.Release(size)
	return in.prepare(ctx, tenant, raw, ordinal)
}

// prepare decodes one profile. The second result is what it holds of the memory
// budget; it is zero when the profile is refused.
func (in *Ingester) prepare(ctx context.Context, tenant warehouse.Tenant, raw profile.Raw, ordinal int) (*profile.Prepared, int64, error) {
	limits := *in.opts.Limits
	if in.opts.Oldest != nil {
		limits.OldestTime = in.opts.Oldest(tenant)
	}
	size := estimate(raw.Body, limits.MaxBytes)
	if err := in.budget.Reserve(size); err != nil {
		return nil, 0, err
	}
	pr, err := in.preparers.take(ctx, tenant)
	if err != nil {
		in.budget.Release(size)
		return nil, 0, err
	}
	p, err := pr.Prepare(tenant, raw, ordinal, in.now(), limits)
	in.preparers.give(tenant, pr)
	if err != nil {
		in.budget.Release(size)
		return nil, 0, err
	}
	actual := int64(len(raw.Body)) + p.SizeBytes
	in.budget.Grow(actual - size)
	return p, actual, nil
}

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
