package ingest

import (
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// budget counts the bytes that profiles hold until they are answered.
//
// A tenant may hold up to maxShare times what is left: three quarters when it is
// alone, and the less the more others hold. So there is always room for one that
// holds nothing yet, and no share needs to be configured.
//
// Concurrency: all methods may overlap.
type budget struct {
	limit int64

	mu struct {
		sync.Mutex
		used     int64
		byTenant map[warehouse.Tenant]int64
		freed    chan struct{} // closed by the next release; nil if nobody waits
	}
}

const maxShare = 3

func newBudget(limit int64) *budget {
	b := &budget{limit: limit}
	b.mu.byTenant = map[warehouse.Tenant]int64{}
	return b
}

// reserve takes n bytes for a tenant, or returns a Limit error when they never fit
// and an Unavailable error when too much is held now.
func (b *budget) reserve(t warehouse.Tenant, n int64) error {
	if most := b.limit / (maxShare + 1) * maxShare; n > most {
		return warehouse.Refuse(warehouse.Limit, reasonTooLarge,
			"profile needs %d bytes of memory, one tenant may have %d", n, most)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if held := b.mu.byTenant[t]; held+n > maxShare*(b.limit-b.mu.used-n) {
		return warehouse.Refuse(warehouse.Unavailable, reasonMemory,
			"profiles that wait for their answer hold %d of %d bytes, %d of them this tenant's: try again later", b.mu.used, b.limit, held)
	}
	b.add(t, n)
	return nil
}

// grow takes n more bytes, or gives back -n, without asking: for what is known only
// after the fact.
func (b *budget) grow(t warehouse.Tenant, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(t, n)
}

// release gives back n bytes.
func (b *budget) release(t warehouse.Tenant, n int64) { b.grow(t, -n) }

func (b *budget) add(t warehouse.Tenant, n int64) {
	b.mu.used += n
	if held := b.mu.byTenant[t] + n; held != 0 {
		b.mu.byTenant[t] = held
	} else {
		delete(b.mu.byTenant, t)
	}
	if n < 0 && b.mu.freed != nil {
		close(b.mu.freed)
		b.mu.freed = nil
	}
}

// freed returns a channel that is closed when bytes are given back.
func (b *budget) freed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.freed == nil {
		b.mu.freed = make(chan struct{})
	}
	return b.mu.freed
}

// used returns the bytes held now.
func (b *budget) used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.used
}

// Reasons under which refused profiles are counted.
const (
	reasonTooLarge = "body_size_limit_exceeded"
	reasonMemory   = "memory_budget"
)
