package query

import (
	"context"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// sampleCache keeps the samples of small datasets in memory: opening a file costs
// the engine more than adding a few thousand numbers up.
//
// Concurrency: safe for concurrent use.
type sampleCache struct {
	mu      sync.Mutex
	slices  *lru[sliceKey, *sampleSlice]
	dicts   map[warehouse.PartitionKey]*stackDict
	counter cacheCounter

	fills map[fillKey]*fill // in progress; guarded by mu
}

// sliceKey names the samples of one service and type in one part.
type sliceKey struct {
	part partKey
	datasetName
	rollup bool // the totals of the samples instead
}

func (t *target) sliceKey() sliceKey { return sliceKey{keyOf(t.part), t.datasetName, t.rollup} }

func newSampleCache(maxBytes int64) *sampleCache {
	c := &sampleCache{dicts: map[warehouse.PartitionKey]*stackDict{}, fills: map[fillKey]*fill{}}
	c.slices = newLRU[sliceKey](maxBytes, c.forget)
	return c
}

// fillKey names what two queries may both find missing.
type fillKey struct {
	tenant warehouse.Tenant
	typ    string
}

// fill lets one query at a time read what is missing, so that queries which come
// together read it once.
type fill struct {
	turn  chan struct{} // has room for one
	users int           // who has it or waits
}

// beginFill waits for the turn to read what is missing. The caller calls end.
func (c *sampleCache) beginFill(ctx context.Context, key fillKey) (end func(), err error) {
	c.mu.Lock()
	f := c.fills[key]
	if f == nil {
		f = &fill{turn: make(chan struct{}, 1)}
		c.fills[key] = f
	}
	f.users++
	c.mu.Unlock()
	leave := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if f.users--; f.users == 0 {
			delete(c.fills, key)
		}
	}
	select {
	case f.turn <- struct{}{}:
		return func() { <-f.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctxError(ctx)
	}
}

// lookup returns the slices of the targets that it has, and the other targets.
func (c *sampleCache) lookup(ts []target) (found []*sampleSlice, missing []target) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range ts {
		s, ok := c.slices.lookup(ts[i].sliceKey())
		c.counter.count(ok)
		if ok {
			found = append(found, s)
		} else {
			missing = append(missing, ts[i])
		}
	}
	return found, missing
}

// dict returns the dictionary of a target's partition, in use until release.
func (c *sampleCache) dict(t *target) *stackDict {
	key := warehouse.PartitionKey{Tenant: t.part.Tenant, Service: t.service, Hour: t.part.Hour}
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.dicts[key]
	if !ok {
		d = &stackDict{key: key}
		c.dicts[key] = d
	}
	d.users++
	return d
}

// add remembers slices, which take over the use of their dictionaries.
func (c *sampleCache) add(slices []*sampleSlice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range slices {
		if !c.slices.add(s.key, s, s.sizeBytes()) {
			c.release(s.dict)
			continue
		}
		n := s.dict.sizeBytes()
		c.slices.size += n - s.dict.charged
		s.dict.charged = n
	}
	c.slices.trim()
}

// drop gives back the dictionaries of slices that are not to be remembered.
func (c *sampleCache) drop(slices []*sampleSlice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range slices {
		c.release(s.dict)
	}
}

func (c *sampleCache) forget(s *sampleSlice) { c.release(s.dict) }

// release ends one use of d, which goes with its last user. The caller holds mu.
func (c *sampleCache) release(d *stackDict) {
	d.users--
	if d.users == 0 {
		delete(c.dicts, d.key)
		c.slices.size -= d.charged
	}
}

// hasRoom reports whether so many bytes may be added without forgetting others.
func (c *sampleCache) hasRoom(bytes int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.slices.size+bytes <= c.slices.max
}

func (c *sampleCache) sizeBytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.slices.size
}

// stackDict numbers the stacktraces of one dataset partition, so that samples
// hold 4 bytes instead of 8 and are added up in an array instead of a map.
type stackDict struct {
	key     warehouse.PartitionKey
	users   int   // slices; guarded by the cache's mu
	charged int64 // bytes on the cache's account; guarded by the cache's mu

	mu    sync.RWMutex
	table idTable // only grows
}

// number returns the stacktrace's number. The caller holds mu.
func (d *stackDict) number(id warehouse.StacktraceID) uint32 {
	n, _ := d.table.number(id)
	return uint32(n)
}

// stacks returns the ids by number. The caller does not change them.
func (d *stackDict) stacks() []warehouse.StacktraceID {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.table.ids
}

func (d *stackDict) sizeBytes() int64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return 256 + d.table.sizeBytes()
}
