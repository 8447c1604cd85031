package ingest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	whprofile "github.com/stackhouse-db/stackhouse/warehouse/profile"
)

func TestPacer(t *testing.T) {
	t.Parallel()
	p := pacer{minEvery: 5 * time.Millisecond, maxEvery: 105 * time.Millisecond}
	now := time.Unix(1000, 0)
	assert.Zero(t, p.wait(now), "the first seal is at once")
	p.sealed(now)
	assert.Equal(t, 15*time.Millisecond, p.wait(now), "one seal in the last second")
	assert.Zero(t, p.wait(now.Add(20*time.Millisecond)))
	for range busyPerSecond {
		p.sealed(now)
	}
	assert.Equal(t, 105*time.Millisecond, p.wait(now), "busy")
	assert.Zero(t, p.wait(now.Add(2*time.Second)), "idle again")
}

func TestKnownSetsForgetWholePartitions(t *testing.T) {
	t.Parallel()
	key := func(s string) warehouse.PartitionKey { return warehouse.PartitionKey{Tenant: "t", Service: s} }
	k := newKnownSets(2*bytesPerKnownSet + 3*bytesPerKnownID)
	k.add(key("a"), nil, []warehouse.StacktraceID{1})
	k.add(key("b"), []warehouse.SeriesID{7}, []warehouse.StacktraceID{1})
	assert.Contains(t, k.get(key("a")).stacks, warehouse.StacktraceID(1))
	k.add(key("a"), nil, []warehouse.StacktraceID{2}) // over the budget: b was used less recently
	assert.Contains(t, k.get(key("a")).stacks, warehouse.StacktraceID(2))
	assert.NotContains(t, k.sets, key("b"))
	k.reset(warehouse.Epoch{Key: key("a"), Value: 9})
	assert.Empty(t, k.get(key("a")).stacks)
	assert.EqualValues(t, 9, k.get(key("a")).epoch)
	assert.EqualValues(t, bytesPerKnownSet, k.bytes)
}

func TestHeadsAreCutByNewDefinitions(t *testing.T) {
	t.Parallel()
	stacks := []warehouse.StacktraceID{1, 2, 3, 4}
	f := func() *flight {
		return &flight{key: warehouse.ProfileKey{Tenant: "t"}, service: "s", prepared: &whprofile.Prepared{
			Series:          []whprofile.PreparedSeries{{Stacks: stacks}},
			DefinitionBytes: 4000,
		}}
	}
	s := newShard(0, Options{Shards: 1, SegmentBytes: 2600, DefinitionBytes: 1 << 20})
	for range 4 {
		s.enqueue(f())
	}
	assert.Len(t, cut(s, false), 2, "1000 bytes of definitions each, and 272 of rows")
	s.known.add(f().partition(), nil, stacks[:2])
	assert.Len(t, cut(s, false), 2, "half of them are known: 772 bytes each")
	for range 12 {
		s.enqueue(f())
	}
	s.known.add(f().partition(), nil, stacks)
	assert.Len(t, cut(s, false), 9, "all of them are known: 272 bytes each")
}

func TestCutTakesTenantsInTurn(t *testing.T) {
	t.Parallel()
	f := func(tenant warehouse.Tenant, rows int) *flight {
		return &flight{key: warehouse.ProfileKey{Tenant: tenant}, prepared: &whprofile.Prepared{
			Series: []whprofile.PreparedSeries{{Stacks: make([]warehouse.StacktraceID, rows)}},
		}}
	}
	tenants := func(head []*flight) (out []warehouse.Tenant) {
		for _, f := range head {
			out = append(out, f.key.Tenant)
		}
		return out
	}
	s := newShard(0, Options{Shards: 1, SegmentBytes: 4 * (4*1000 + 256)})
	for range 5 {
		s.enqueue(f("noisy", 1000))
	}
	assert.Equal(t, []warehouse.Tenant{"noisy", "noisy", "noisy", "noisy"}, tenants(cut(s, false)))
	s.enqueue(f("noisy", 1000))
	s.segmentBytes *= sharedRows // of which a shared shard's heads have a part
	s.enqueue(f("quiet", 1000))
	s.enqueue(f("huge", 1_000_000))
	assert.Equal(t, []warehouse.Tenant{"noisy", "quiet"}, tenants(cut(s, false)), "one each, then huge does not fit")
	assert.Equal(t, []warehouse.Tenant{"huge"}, tenants(cut(s, false)), "larger than a head: alone")
	assert.Equal(t, []warehouse.Tenant{"noisy"}, tenants(cut(s, false)))
	assert.True(t, s.isEmpty())
	s.close()
	assert.False(t, s.enqueue(f("late", 1)))
}

// TestQuietTenantsGoFirst: who has not pushed for a while is sealed before those
// that push all the time, but what it has more than a head of waits like theirs.
func TestQuietTenantsGoFirst(t *testing.T) {
	t.Parallel()
	s := newShard(0, Options{Shards: 1, SegmentBytes: 5 * 256 * sharedRows})
	push := func(tenant warehouse.Tenant, n int) {
		for range n {
			s.enqueue(&flight{key: warehouse.ProfileKey{Tenant: tenant}, prepared: &whprofile.Prepared{Series: make([]whprofile.PreparedSeries, 1)}})
		}
	}
	tenants := func(quiet bool) (out string) {
		for _, f := range cut(s, quiet) {
			out += string(f.key.Tenant)
		}
		return out
	}
	push("n", 1)
	assert.True(t, s.hasQuiet())
	assert.Equal(t, "n", tenants(true))
	push("n", 20)
	assert.False(t, s.hasQuiet(), "it has just pushed")
	push("a", 3)
	push("b", 1)
	assert.Equal(t, "abaa", tenants(true))
	assert.False(t, s.hasQuiet())
	s.mu.recent = map[warehouse.Tenant]time.Time{"n": time.Now()}
	push("a", 8)
	assert.Equal(t, "aaaaa", tenants(true))
	assert.Equal(t, "nanan", tenants(true), "the rest takes turns")
}

// TestRandomCuts: every flight is cut once, a tenant's in their order, whatever
// kinds of heads are cut between arrivals.
func TestRandomCuts(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rng := newRand(seed)
		s := newShard(0, Options{Shards: 1, SegmentBytes: 3 * 256 * sharedRows})
		arrived, left := map[warehouse.Tenant][]*flight{}, 0
		take := func() {
			head := cut(s, rng.IntN(2) == 0)
			require.NotEmpty(t, head)
			for _, f := range head {
				tenant := f.key.Tenant
				require.Same(t, arrived[tenant][0], f)
				arrived[tenant] = arrived[tenant][1:]
				left--
			}
		}
		for range 300 {
			if left > 0 && rng.IntN(3) == 0 {
				take()
				continue
			}
			tenant := warehouse.Tenant(rune('a' + rng.IntN(6)))
			if rng.IntN(3) == 0 {
				clear(s.mu.recent) // time passes
			}
			f := &flight{key: warehouse.ProfileKey{Tenant: tenant}, prepared: &whprofile.Prepared{Series: make([]whprofile.PreparedSeries, 1)}}
			s.enqueue(f)
			arrived[tenant] = append(arrived[tenant], f)
			left++
		}
		for left > 0 {
			take()
		}
		require.True(t, s.isEmpty())
		require.False(t, s.hasQuiet())
	}
}

// cut cuts a head now.
func cut(s *shard, quiet bool) []*flight {
	head, _ := s.cut(quiet, time.Now())
	return head
}
