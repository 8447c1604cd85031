package ingest

import (
	"context"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

// flight is one profile on its way from a push to a registered segment.
//
// Ownership: the shard's goroutine that takes the flight from the queue owns
// prepared until it lands; pushes only wait.
type flight struct {
	key      warehouse.ProfileKey
	prepared *profile.Prepared
	service  string
	isQuiet  bool // its tenant had not pushed for a while; set before it is queued

	done chan struct{} // closed when the flight has landed
	err  error         // set before done is closed
}

// partition returns the dataset partition that the flight belongs to.
func (f *flight) partition() warehouse.PartitionKey {
	return warehouse.PartitionKey{Tenant: f.key.Tenant, Service: f.service, Hour: f.prepared.Time.Hour()}
}

// wait returns the flight's outcome, or the context's error if that comes first.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// flights are the profiles on their way, by id: a retry that overtakes its first
// try waits for it instead of being stored beside it. Profiles that are
// registered already are recognised by the metastore, not here.
//
// Concurrency: all methods may overlap.
type flights struct {
	mu struct {
		sync.Mutex
		byKey map[warehouse.ProfileKey]*flight
	}
}

func newFlights() *flights {
	f := &flights{}
	f.mu.byKey = map[warehouse.ProfileKey]*flight{}
	return f
}

// start enters a profile. The second result is false if the returned flight is
// another one with the same id, which is then to be waited for.
func (f *flights) start(t warehouse.Tenant, p *profile.Prepared) (*flight, bool) {
	key := warehouse.ProfileKey{Tenant: t, ID: p.ID}
	f.mu.Lock()
	defer f.mu.Unlock()
	if other, ok := f.mu.byKey[key]; ok {
		return other, false
	}
	fl := &flight{key: key, prepared: p, service: p.Series[0].Service(), done: make(chan struct{})}
	f.mu.byKey[key] = fl
	return fl, true
}

// land ends a flight with its outcome and returns the bytes of the budget that it
// held. Each flight lands once.
func (f *flights) land(fl *flight, err error) int64 {
	f.mu.Lock()
	delete(f.mu.byKey, fl.key)
	f.mu.Unlock()
	held := fl.prepared.SizeBytes
	fl.err, fl.prepared = err, nil // a push that still waits must not keep the rows alive
	close(fl.done)
	return held
}
