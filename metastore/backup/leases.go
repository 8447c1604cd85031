package backup

import (
	"context"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// Lease is how long a snapshot is held without a word of who copies it.
const Lease = 2 * time.Minute

// MaxLeases is how many snapshots are held at a time.
const MaxLeases = 4

// Pin is a snapshot of the metastore that stays until it was not renewed for long.
type Pin interface {
	Manifest() ([]byte, error)
	EachPart(fn func(*warehouse.Part))
	Index() uint64
	Err() error   // Deadline: it was dropped
	Renew() error // likewise
	Release()
}

// Leases holds the snapshots that clients copy.
//
// Concurrency: all methods may be called at the same time.
type Leases struct {
	pin    func(ctx context.Context, lease time.Duration) (Pin, error)
	bucket object.Bucket

	mu   sync.Mutex
	held map[string]*held
}

// held is a snapshot with the names that may be read of it.
type held struct {
	Pin
	names map[string]struct{}
}

// NewLeases returns leases of snapshots that pin takes, whose objects are in the
// bucket.
func NewLeases(pin func(ctx context.Context, lease time.Duration) (Pin, error), bucket object.Bucket) *Leases {
	return &Leases{pin: pin, bucket: bucket, held: map[string]*held{}}
}

// Begin holds the newest snapshot. It returns the lease's id and the snapshot's log
// index. Limit: there are [MaxLeases] already.
func (l *Leases) Begin(ctx context.Context) (id string, index uint64, err error) {
	l.mu.Lock()
	for old, h := range l.held {
		if h.Err() != nil {
			h.Release()
			delete(l.held, old)
		}
	}
	full := len(l.held) >= MaxLeases
	l.mu.Unlock()
	if full {
		return "", 0, warehouse.Errorf(warehouse.Limit, "begin backup: %d are under way", MaxLeases)
	}
	pin, err := l.pin(ctx, Lease)
	if err != nil {
		return "", 0, err
	}
	h := &held{Pin: pin, names: map[string]struct{}{}}
	pin.EachPart(func(p *warehouse.Part) {
		for _, name := range block.ObjectNames(p) {
			h.names[name] = struct{}{}
		}
	})
	id = ulid.Make().String()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[id] = h
	return id, pin.Index(), nil
}

// use renews a lease.
func (l *Leases) use(id string) (*held, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h, ok := l.held[id]
	if !ok {
		return nil, warehouse.Errorf(warehouse.NotFound, "backup %.40q: there is none of this id, or nothing was heard of it for %s", id, Lease)
	}
	if err := h.Renew(); err != nil {
		h.Release()
		delete(l.held, id)
		return nil, err
	}
	return h, nil
}

// Renew says that the client is still there.
func (l *Leases) Renew(id string) error {
	_, err := l.use(id)
	return err
}

// Manifest returns the byte form of the snapshot's state.
func (l *Leases) Manifest(id string) ([]byte, error) {
	h, err := l.use(id)
	if err != nil {
		return nil, err
	}
	return h.Manifest()
}

// Read returns n bytes from an offset of a file that the snapshot names, fewer where
// it ends.
func (l *Leases) Read(ctx context.Context, id, name string, off, n int64) ([]byte, error) {
	h, err := l.use(id)
	if err != nil {
		return nil, err
	}
	if _, ok := h.names[name]; !ok {
		return nil, warehouse.Errorf(warehouse.NotFound, "read of backup %s: its snapshot has no file %.200q", id, name)
	}
	return l.bucket.Read(ctx, name, off, n)
}

// End gives a snapshot back.
func (l *Leases) End(id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h, ok := l.held[id]; ok {
		h.Release()
		delete(l.held, id)
	}
	return nil
}
