package metastore

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore/manifest"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// store is a bucket that can be told to fail, and knows what was deleted.
type store struct {
	object.Bucket
	mu    sync.Mutex
	fails bool
}

func newStore() *store { return &store{Bucket: object.NewMemory()} }

func (s *store) setFails(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = on
}

func (s *store) Delete(ctx context.Context, name string) error {
	s.mu.Lock()
	fails := s.fails
	s.mu.Unlock()
	if fails {
		return warehouse.Errorf(warehouse.Unavailable, "delete %s: the store is away", name)
	}
	return s.Bucket.Delete(ctx, name)
}

// put stores all files of a part's object.
func (s *store) put(t testing.TB, p warehouse.Part) {
	for _, name := range block.ObjectNames(&p) {
		require.NoError(t, s.Put(t.Context(), name, []byte("x")))
	}
}

// has reports whether all files of a part's object are there.
func (s *store) has(p warehouse.Part) bool {
	for _, name := range block.ObjectNames(&p) {
		if _, err := s.Stat(context.Background(), name); err != nil {
			return false
		}
	}
	return true
}

// count returns the number of files of objects.
func (s *store) count(t testing.TB) int {
	n := 0
	require.NoError(t, s.List(t.Context(), "", func(a object.Attrs) error {
		if _, ok := manifest.ParseName(a.Name); !ok {
			n++
		}
		return nil
	}))
	return n
}

// collected are a node, its bucket, its clock, and what OnDelete was told.
type collected struct {
	*node
	bucket  *store
	clock   *clock
	mu      sync.Mutex
	deleted []warehouse.ObjectID
}

func startCollected(t *testing.T, change func(o *Options)) *collected {
	c := &collected{bucket: newStore(), clock: newClock()}
	o := quiet(t.TempDir())
	o.Bucket, o.Clock = c.bucket, c.clock.read
	o.OnDelete = func(id warehouse.ObjectID) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.deleted = append(c.deleted, id)
	}
	if change != nil {
		change(&o)
	}
	c.node = start(t, o)
	return c
}

// store adds a segment, with its object.
func (c *collected) store(n int) {
	c.bucket.put(c.t, part(n, 0, tenant, hour0))
	c.mustAdd(segment(n))
}

func (c *collected) has(n int) bool { return c.bucket.has(part(n, 0, tenant, hour0)) }

func TestCollectDeletesDeadObjects(t *testing.T) {
	t.Parallel()
	c := startCollected(t, nil)
	c.store(1)
	c.store(2)
	c.store(3)
	c.bucket.put(t, part(10, 1, tenant, hour0))
	c.replace(10, 1, 2)
	require.NoError(t, c.collect(t.Context()))
	assert.False(t, c.has(1))
	assert.False(t, c.has(2))
	assert.True(t, c.has(3))
	assert.Empty(t, c.fsm.view.Load().Tombstones())
	slices.SortFunc(c.deleted, func(a, b warehouse.ObjectID) int { return a.Compare(b) })
	assert.Equal(t, idsOf(1, 2), c.deleted)
	assert.EqualValues(t, 2, valueOf(t, c.metrics.deletedObjects))

	assert.True(t, c.bucket.has(part(10, 1, tenant, hour0)))
	c.bucket.put(t, part(11, 1, tenant, hour0))
	c.replace(11, 10, 3)
	require.NoError(t, c.collect(t.Context()))
	assert.Equal(t, 2, c.bucket.count(t), "all files of the block are gone, and those of the live one are there")
	assert.True(t, c.bucket.has(part(11, 1, tenant, hour0)))
}

func TestCollectWaitsForPins(t *testing.T) {
	t.Parallel()
	c := startCollected(t, nil)
	c.store(1)
	before, err := c.Snapshot(t.Context())
	require.NoError(t, err)
	c.replace(10, 1)
	after, err := c.Snapshot(t.Context())
	require.NoError(t, err)
	defer after.Release()
	c.store(2)
	c.replace(11, 2)

	require.NoError(t, c.collect(t.Context()))
	assert.True(t, c.has(1), "before reads it")
	assert.True(t, c.has(2), "before and after may not know it, but they are older")
	assert.Equal(t, idsOf(1), objectsOf(before))
	before.Release()
	before.Release()
	require.NoError(t, c.collect(t.Context()))
	assert.False(t, c.has(1))
	assert.True(t, c.has(2))
	after.Release()
	require.NoError(t, c.collect(t.Context()))
	assert.False(t, c.has(2))
	assert.Zero(t, c.pins.count())
}

func TestCollectWaitsForGrace(t *testing.T) {
	t.Parallel()
	c := startCollected(t, func(o *Options) { o.GCGrace = 15 * time.Minute })
	c.store(1)
	c.replace(10, 1)
	c.clock.pass(15*time.Minute - time.Second)
	require.NoError(t, c.collect(t.Context()))
	assert.True(t, c.has(1))
	c.clock.pass(time.Second)
	require.NoError(t, c.collect(t.Context()))
	assert.False(t, c.has(1))
}

// A pin that is held for too long is dropped, and its holder is told.
func TestOldPinIsDropped(t *testing.T) {
	t.Parallel()
	c := startCollected(t, nil)
	c.store(1)
	s, err := c.Snapshot(t.Context())
	require.NoError(t, err)
	c.replace(10, 1)
	c.clock.pass(time.Hour)
	require.NoError(t, c.collect(t.Context()))
	require.True(t, c.has(1))
	require.NoError(t, s.Err())
	c.clock.pass(time.Second)
	require.NoError(t, c.collect(t.Context()))
	assert.False(t, c.has(1))
	err = s.Err()
	require.ErrorContains(t, err, "older than 1h0m0s and no longer protected")
	assert.Equal(t, warehouse.Deadline, warehouse.KindOf(err))
	assert.Equal(t, idsOf(1), objectsOf(s), "it answers as it did")
	assert.EqualValues(t, 1, valueOf(t, c.metrics.droppedPins))
	s.Release()
}

func TestCollectTriesAgain(t *testing.T) {
	t.Parallel()
	c := startCollected(t, nil)
	c.store(1)
	c.replace(10, 1)
	c.bucket.setFails(true)
	err := c.collect(t.Context())
	require.Equal(t, warehouse.Unavailable, warehouse.KindOf(err))
	assert.Len(t, c.fsm.view.Load().Tombstones(), 1)
	assert.Empty(t, c.deleted)
	c.bucket.setFails(false)
	require.NoError(t, c.collect(t.Context()))
	assert.Empty(t, c.fsm.view.Load().Tombstones())
}

func TestNoBucketKeepsTombstones(t *testing.T) {
	t.Parallel()
	n := start(t, quiet(t.TempDir()))
	n.mustAdd(segment(1))
	n.replace(10, 1)
	require.NoError(t, n.collect(t.Context()))
	assert.Len(t, n.fsm.view.Load().Tombstones(), 1)
}

// Readers, compaction and the collector at once, over restarts: whoever holds a
// snapshot finds every object of it.
func TestCollectNeverDeletesWhatIsRead(t *testing.T) {
	t.Parallel()
	bucket := newStore()
	o := quiet(t.TempDir())
	o.Bucket = bucket
	o.tuning.gcEvery = time.Millisecond
	next := 1
	for range 3 {
		n := start(t, o)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for ctx.Err() == nil {
					s, err := n.Snapshot(t.Context())
					if !assert.NoError(t, err) {
						return
					}
					parts := s.Parts(tenant, everything)
					for range 3 {
						for _, p := range parts {
							assert.True(t, bucket.has(*p), "%s of level %d is live in a snapshot", p.Object, p.Level)
						}
						runtime.Gosched()
					}
					s.Release()
				}
			})
		}
		for range 40 {
			var inputs []PartRef
			for _, p := range n.fsm.view.Load().Parts(tenant, everything) {
				inputs = append(inputs, PartRef{Object: p.Object, Tenant: tenant, Hour: hour0})
			}
			if len(inputs) >= 3 {
				bucket.put(t, part(next, 1, tenant, hour0))
				_, err := n.ReplaceParts(t.Context(), Replacement{ID: objectID(900_000 + next), Remove: inputs, Add: []warehouse.Part{part(next, 1, tenant, hour0)}})
				require.NoError(t, err)
			} else {
				bucket.put(t, part(next, 0, tenant, hour0))
				n.mustAdd(segment(next))
			}
			next++
		}
		cancel()
		wg.Wait()
		eventually(t, "what is dead is deleted", func() bool { return len(n.fsm.view.Load().Tombstones()) == 0 })
		n.stop()
	}
	live := 0
	n := start(t, o)
	for _, p := range n.fsm.view.Load().Parts(tenant, everything) {
		require.True(t, bucket.has(*p))
		live += len(block.ObjectNames(p))
	}
	assert.Equal(t, live, bucket.count(t), "nothing else is left")
}
