package ingest

import (
	"sync/atomic"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Budget counts the bytes that pushes hold until they are answered.
//
// Concurrency: all methods may overlap.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// NewBudget returns a budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// Reserve takes n bytes, or returns a Limit error when n alone is over the
// budget and an Unavailable error when others hold too much of it now.
func (b *Budget) Reserve(n int64) error {
	if n > b.limit {
		return warehouse.Refuse(warehouse.Limit, reasonTooLarge,
			"push needs %d bytes of memory, the budget for all pushes is %d", n, b.limit)
	}
	if used := b.used.Add(n); used > b.limit {
		b.used.Add(-n)
		return warehouse.Refuse(warehouse.Unavailable, reasonMemory,
			"pushes that wait for their answer hold %d of %d bytes: try again later", used-n, b.limit)
	}
	return nil
}

// Grow takes n more bytes (or gives back -n) without asking: for what is known
// only after the fact.
func (b *Budget) Grow(n int64) { b.used.Add(n) }

// Release gives back n bytes.
func (b *Budget) Release(n int64) { b.used.Add(-n) }

// Used returns the bytes held now.
func (b *Budget) Used() int64 { return b.used.Load() }

// Reasons under which refused profiles are counted.
const (
	reasonTooLarge = "body_size_limit_exceeded"
	reasonMemory   = "memory_budget"
)
