package metastore

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// bornAt is the id of the n-th object, made at a time.
func bornAt(n int, at time.Time) warehouse.ObjectID {
	id := objectID(n)
	_ = id.SetTime(uint64(at.UnixMilli()))
	return id
}

// swept is a node whose bucket is swept by hand.
func swept(t *testing.T) (*node, *store, *clock) {
	t.Helper()
	b, c := newStore(), newClock()
	o := quiet(t.TempDir())
	o.Bucket, o.Clock = b, c.read
	o.OrphanAge = time.Minute
	return start(t, o), b, c
}

// TestSweep: an old object that nobody knows goes, and can never be registered
// afterwards; all else stays.
func TestSweep(t *testing.T) {
	t.Parallel()
	n, b, c := swept(t)
	c.pass(time.Since(c.read()) + time.Hour) // behind the bucket's own times
	now := c.read()
	old, young := now.Add(-59*time.Minute), now.Add(-30*time.Second)

	part := func(id warehouse.ObjectID, level uint8) warehouse.Part {
		p := part(1, level, tenant, hour0)
		p.Object = id
		return p
	}
	live, dead := part(bornAt(1, old), 0), part(bornAt(2, old), 1)
	orphan, block1 := part(bornAt(3, old), 0), part(bornAt(4, old), 1)
	fresh := part(bornAt(5, young), 0)
	for _, p := range []warehouse.Part{live, dead, orphan, block1, fresh} {
		b.put(t, p)
	}
	ancient := part(bornAt(6, n.dir.since.Add(-time.Second)), 1)
	b.put(t, ancient)
	for _, name := range []string{"segments/0/notes.txt", "blocks/acme/readme", "meta/manifest-1"} {
		require.NoError(t, b.Put(t.Context(), name, []byte("x")))
	}
	segmentOf := func(p warehouse.Part) *warehouse.Segment {
		return &warehouse.Segment{ID: p.Object, Size: 1000, Parts: []warehouse.Part{p}}
	}
	n.mustAdd(segmentOf(live))
	_, err := n.ReplaceParts(n.ctx(), Replacement{
		ID: objectID(900), Remove: []PartRef{{Object: live.Object, Tenant: tenant, Hour: hour0}}, Add: []warehouse.Part{dead},
	})
	require.NoError(t, err) // live is dead and waits, dead is live: both are known

	require.NoError(t, n.sweep(n.ctx()))
	require.True(t, b.has(live), "a tombstone is the collector's business")
	require.True(t, b.has(dead))
	require.True(t, b.has(fresh), "it may still be registered")
	require.False(t, b.has(orphan))
	require.False(t, b.has(block1))
	require.True(t, b.has(ancient), "it is of an index that was lost")
	require.Equal(t, 1+2*len(block.ObjectNames(&dead))+1+3, b.count(t), "files of other names are nobody's business")
	require.EqualValues(t, 2, valueOf(t, n.metrics.sweptObjects))
	require.EqualValues(t, 1+len(block.ObjectNames(&dead)), valueOf(t, n.metrics.sweptBytes))

	require.Equal(t, warehouse.WasAborted, n.add(segmentOf(orphan)), "too late")
	n.mustAdd(segmentOf(fresh))

	b.put(t, orphan) // an upload that appears late
	require.NoError(t, n.sweep(n.ctx()))
	require.False(t, b.has(orphan))
	c.pass(2 * time.Hour)
	require.NoError(t, n.sweep(n.ctx()))
	require.True(t, b.has(fresh))
}

// TestSweepNeverDeletesWhatIsRegistered: objects are stored, registered, replaced,
// deleted and swept in random order, and with any delay between storing and
// registering: what the index holds is in the bucket.
func TestSweepNeverDeletesWhatIsRegistered(t *testing.T) {
	t.Parallel()
	n, b, c := swept(t)
	c.pass(time.Since(c.read()) + time.Hour)
	rng := rand.New(rand.NewPCG(1, 1))
	var stored []warehouse.Part
	registered, refused := 0, 0
	for i := range 2000 {
		switch rng.IntN(10) {
		case 0, 1, 2, 3:
			p := part(i+1, 0, tenant, hour0)
			p.Object = bornAt(i+1, c.read())
			b.put(t, p)
			stored = append(stored, p)
		case 4, 5, 6:
			if len(stored) == 0 {
				continue
			}
			at := rng.IntN(len(stored))
			p := stored[at]
			stored = append(stored[:at], stored[at+1:]...)
			if n.add(&warehouse.Segment{ID: p.Object, Size: 1000, Parts: []warehouse.Part{p}}) == warehouse.Added {
				registered++
			} else {
				refused++
			}
		case 7:
			require.NoError(t, n.sweep(n.ctx()))
		default:
			c.pass(time.Duration(rng.IntN(40)) * time.Second)
		}
		if i%100 == 0 {
			s, err := n.Snapshot(n.ctx())
			require.NoError(t, err)
			for _, p := range s.Parts(tenant, everything) {
				require.True(t, b.has(*p), "step %d: object %s is live and gone", i, p.Object)
			}
			s.Release()
		}
	}
	require.Greater(t, registered, 50)
	require.Greater(t, refused, 20, "some were swept before they were registered")
}
