package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stackhouse-db/stackhouse/warehouse"
	whprofile "github.com/stackhouse-db/stackhouse/warehouse/profile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = warehouse.Errorf(warehouse.Unavailable, "bucket is down")

func TestPushStoresWhatWasSent(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	requireStored(t, r.Push(t.Context(), "a", []whprofile.Raw{
		raw("checkout", pprofBody(t, at, map[string]int64{"read": 5, "write": 7})),
		raw("cart", pprofBody(t, at, map[string]int64{"read": 11})),
	}))
	requireStored(t, r.Push(t.Context(), "b", []whprofile.Raw{
		raw("checkout", pprofBody(t, at.Add(time.Hour), map[string]int64{"read": 13})),
	}))
	c := r.read(t)
	assert.Equal(t, map[string]int64{
		"a checkout read": 5, "a checkout write": 7, "a cart read": 11, "b checkout read": 13,
	}, c.samples)
	assert.EqualValues(t, 3, c.profiles)
	assert.Zero(t, r.budget.used(), "answered pushes hold no memory")
}

func TestKnownDefinitionsAreWrittenOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for i := range 5 {
		requireStored(t, r.Push(t.Context(), "a", []whprofile.Raw{
			raw("checkout", pprofBody(t, at.Add(time.Duration(i)*time.Second), map[string]int64{"read": 1})),
		}))
	}
	var defined int64
	for _, seg := range r.reg.live {
		for i := range seg.Parts {
			s, _ := seg.Parts[i].Section(warehouse.TableStacktraces)
			defined += s.Rows
		}
	}
	assert.EqualValues(t, 1, defined)
	assert.EqualValues(t, 5, r.read(t).samples["a checkout read"])
}

func TestRetriesCountOnce(t *testing.T) {
	t.Parallel()
	same := pprofBody(t, at, map[string]int64{"read": 5})
	other := pprofBody(t, at, map[string]int64{"read": 6})
	withID := func(r whprofile.Raw, id string) whprofile.Raw { r.ID = id; return r }
	const uuid = "11111111-2222-4333-8444-555555555555"
	tests := []struct {
		name   string
		pushes [][]whprofile.Raw
		want   int64
		count  int64
	}{
		{"the same request twice", [][]whprofile.Raw{{raw("s", same)}, {raw("s", same)}}, 5, 1},
		{"equal profiles of one request are two", [][]whprofile.Raw{{raw("s", same), raw("s", same)}}, 10, 2},
		{"and a retry repeats both", [][]whprofile.Raw{{raw("s", same), raw("s", same)}, {raw("s", same), raw("s", same)}}, 10, 2},
		{"equal labels and time, other content", [][]whprofile.Raw{{raw("s", same)}, {raw("s", other)}}, 11, 2},
		{"a client's id counts once in a request", [][]whprofile.Raw{{withID(raw("s", same), uuid), withID(raw("s", same), uuid)}}, 5, 1},
		{"a client's id counts once over requests", [][]whprofile.Raw{{withID(raw("s", same), uuid)}, {withID(raw("s", other), uuid)}}, 5, 1},
		{"a duplicate does not hold up new profiles", [][]whprofile.Raw{{raw("s", same)}, {raw("s", same), raw("s", other)}}, 11, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			for _, push := range tt.pushes {
				requireStored(t, r.Push(t.Context(), "a", push))
			}
			c := r.read(t)
			assert.Equal(t, tt.want, c.samples["a s read"])
			assert.Equal(t, tt.count, c.profiles)
		})
	}
}

func TestRetryThatOvertakesItsFirstTry(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	body := pprofBody(t, at, map[string]int64{"read": 5})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for _, res := range r.Push(context.Background(), "a", []whprofile.Raw{raw("s", body)}) {
				assert.NoError(t, res.Err)
			}
		})
	}
	wg.Wait()
	assert.EqualValues(t, 5, r.read(t).samples["a s read"])
	assert.Zero(t, r.budget.used())
}

func TestStaleEpochsWriteDefinitionsAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	push := func(i int) {
		requireStored(t, r.Push(t.Context(), "a", []whprofile.Raw{
			raw("s", pprofBody(t, at.Add(time.Duration(i)*time.Second), map[string]int64{"read": 1})),
		}))
	}
	push(0)
	key := warehouse.PartitionKey{Tenant: "a", Service: "s", Hour: warehouse.MicrosOf(at).Hour()}
	r.reg.bumpEpoch(key)
	r.reg.mu.Lock()
	clear(r.reg.live) // the definitions are gone
	r.reg.mu.Unlock()
	push(1)
	assert.EqualValues(t, 1, r.read(t).samples["a s read"])
	assert.Contains(t, r.reg.outcomes, warehouse.HasStaleEpochs)
	assert.Len(t, r.store.objects, 2, "the refused segment's object is deleted")
	push(2)
	assert.Equal(t, warehouse.Added, r.reg.outcomes[len(r.reg.outcomes)-1])
}

func TestFailingDatasetFailsAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.Shards = 1 })
	encode := r.encode
	r.encode = func(shard uint32, p *partBatch) (encodedPart, error) {
		for _, d := range p.datasets {
			switch d.key.Service {
			case "bad":
				return encodedPart{}, errors.New("cannot encode")
			case "worse":
				panic("boom")
			}
		}
		return encode(shard, p)
	}
	res := r.Push(t.Context(), "a", []whprofile.Raw{
		raw("good", pprofBody(t, at, map[string]int64{"read": 1})),
		raw("bad", pprofBody(t, at, map[string]int64{"read": 1})),
		raw("worse", pprofBody(t, at, map[string]int64{"read": 1})),
		raw("fine", pprofBody(t, at, map[string]int64{"read": 1})),
	})
	assert.NoError(t, res[0].Err)
	assert.ErrorContains(t, res[1].Err, "cannot encode")
	assert.ErrorContains(t, res[2].Err, "boom")
	assert.NoError(t, res[3].Err)
	assert.Equal(t, map[string]int64{"a good read": 1, "a fine read": 1}, r.read(t).samples)
}

func TestBadProfileFailsAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	res := r.Push(t.Context(), "a", []whprofile.Raw{
		raw("s", []byte("not a profile")),
		raw("s", pprofBody(t, at, map[string]int64{"read": 1})),
	})
	assert.Equal(t, warehouse.Invalid, warehouse.KindOf(res[0].Err), "%v", res[0].Err)
	assert.NoError(t, res[1].Err)
	assert.Zero(t, r.budget.used())
}

func TestStoreAndRegistrarFaults(t *testing.T) {
	t.Parallel()
	times := func(n int, err error) func() error {
		return func() error {
			if n--; n >= 0 {
				return err
			}
			return nil
		}
	}
	tests := []struct {
		name   string
		faults func(*rig)
		want   warehouse.Kind // Internal stands for success
		sum    int64
	}{
		{"store fails twice", func(r *rig) {
			f := times(2, errDown)
			r.store.putErr = func(string) error { return f() }
		}, warehouse.Internal, 5},
		{"store is down", func(r *rig) { r.store.putErr = func(string) error { return errDown } }, warehouse.Unavailable, 0},
		{"registration fails before its effect", func(r *rig) { r.reg.addErr = times(3, errDown) }, warehouse.Internal, 5},
		{"registration's answer is lost once", func(r *rig) { r.reg.lostErr = times(1, errDown) }, warehouse.Internal, 5},
		{"registration's answer is always lost", func(r *rig) { r.reg.lostErr = times(1<<30, errDown) }, warehouse.Internal, 5},
		{"registration never succeeds", func(r *rig) { r.reg.addErr = times(1<<30, errDown) }, warehouse.Unavailable, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(o *Options) { o.GiveUpAfter = 300 * time.Millisecond })
			tt.faults(r)
			res := r.Push(t.Context(), "a", []whprofile.Raw{raw("s", pprofBody(t, at, map[string]int64{"read": 5}))})
			if tt.want == warehouse.Internal {
				require.NoError(t, res[0].Err)
			} else {
				require.Equal(t, tt.want, warehouse.KindOf(res[0].Err), "%v", res[0].Err)
			}
			assert.Equal(t, tt.sum, r.read(t).samples["a s read"])
			assert.Zero(t, r.budget.used())
		})
	}
}

func TestMemoryBudget(t *testing.T) {
	t.Parallel()
	body := pprofBody(t, at, map[string]int64{"read": 5})
	r := newRig(t, func(o *Options) { o.MemoryBytes = 64 << 10 })
	r.patience = 0
	require.NoError(t, r.budget.reserve("b", 48<<10))
	r.budget.grow("b", 16<<10-100)
	res := r.Push(t.Context(), "a", []whprofile.Raw{raw("s", body)})
	require.Equal(t, warehouse.Unavailable, warehouse.KindOf(res[0].Err), "others hold it: %v", res[0].Err)
	r.patience = time.Hour
	answer := make(chan []warehouse.PushResult)
	go func() { answer <- r.Push(t.Context(), "a", []whprofile.Raw{raw("s", body)}) }()
	r.budget.release("b", 64<<10-100)
	requireStored(t, <-answer)
	res = r.Push(t.Context(), "a", []whprofile.Raw{raw("s", make([]byte, 128<<10))})
	assert.Equal(t, warehouse.Limit, warehouse.KindOf(res[0].Err), "never fits: %v", res[0].Err)
	assert.Zero(t, r.budget.used())
}

// TestMemoryShares: who holds much leaves room for who holds nothing.
func TestMemoryShares(t *testing.T) {
	t.Parallel()
	b := newBudget(1000)
	require.NoError(t, b.reserve("a", 750))
	require.Error(t, b.reserve("a", 1), "three quarters, alone")
	require.NoError(t, b.reserve("b", 180))
	require.Error(t, b.reserve("b", 10))
	require.NoError(t, b.reserve("c", 50))
	require.NoError(t, b.reserve("d", 10))
	for tenant, n := range map[warehouse.Tenant]int64{"a": 750, "b": 180, "c": 50, "d": 10} {
		b.release(tenant, n)
	}
	assert.Zero(t, b.used())
	assert.Empty(t, b.mu.byTenant)
}

// TestLargeRequest: a request whose profiles do not fit the memory together is
// stored as memory comes free.
func TestLargeRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.MemoryBytes = 64 << 10; o.MaxFlushEvery = o.MinFlushEvery })
	var raws []whprofile.Raw
	for i := range 200 {
		raws = append(raws, raw("s", pprofBody(t, at.Add(time.Duration(i)*time.Second), map[string]int64{"read": 5})))
	}
	requireStored(t, r.Push(t.Context(), "a", raws))
	assert.EqualValues(t, 1000, r.read(t).samples["a s read"])
	assert.Greater(t, len(r.store.objects), 1)
	assert.Zero(t, r.budget.used())
}

func TestClientThatWentAwayLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	block := make(chan struct{})
	r := newRig(t, nil)
	r.store.putErr = func(string) error { <-block; return nil }
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan []warehouse.PushResult)
	go func() {
		answer <- r.Push(ctx, "a", []whprofile.Raw{raw("s", pprofBody(t, at, map[string]int64{"read": 5}))})
	}()
	require.Eventually(t, func() bool { return r.budget.used() > 0 }, 5*time.Second, time.Millisecond)
	cancel()
	assert.ErrorIs(t, (<-answer)[0].Err, context.Canceled)
	close(block)
	r.stop()
	assert.EqualValues(t, 5, r.read(t).samples["a s read"], "what was accepted is flushed")
	assert.Zero(t, r.budget.used())
}

func TestStopFlushesAndRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.MinFlushEvery, o.MaxFlushEvery = time.Hour, time.Hour })
	requireStored(t, r.Push(t.Context(), "a", []whprofile.Raw{raw("s", pprofBody(t, at, map[string]int64{"read": 1}))}))
	answer := make(chan []warehouse.PushResult)
	go func() {
		answer <- r.Push(t.Context(), "a", []whprofile.Raw{raw("s", pprofBody(t, at, map[string]int64{"write": 2}))})
	}()
	require.Eventually(t, func() bool {
		r.flights.mu.Lock()
		defer r.flights.mu.Unlock()
		return len(r.flights.mu.byKey) == 1
	}, 5*time.Second, time.Millisecond)
	r.stop()
	for _, res := range <-answer {
		if res.Err != nil { // it came after the shard had closed: refused, to be tried again
			assert.Equal(t, warehouse.Unavailable, warehouse.KindOf(res.Err))
		} else {
			assert.EqualValues(t, 2, r.read(t).samples["a s write"])
		}
	}
	res := r.Push(t.Context(), "a", []whprofile.Raw{raw("s", pprofBody(t, at, map[string]int64{"late": 1}))})
	assert.Equal(t, warehouse.Unavailable, warehouse.KindOf(res[0].Err))
}

// TestRandomFaultsKeepThePromises pushes unique profiles while operations fail
// at random and epochs move, retries what was not acknowledged, and then demands
// that everything counts exactly once and every definition is there.
func TestRandomFaultsKeepThePromises(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			rng := newRand(seed)
			r := newRig(t, func(o *Options) { o.Shards = 2; o.DefinitionBytes = 4096; o.GiveUpAfter = time.Second })
			var mu sync.Mutex
			fail := func(percent int) func() error {
				return func() error {
					mu.Lock()
					defer mu.Unlock()
					if rng.IntN(100) < percent {
						return errDown
					}
					return nil
				}
			}
			put := fail(10)
			r.store.putErr = func(string) error { return put() }
			r.reg.addErr, r.reg.lostErr = fail(10), fail(10)
			want := map[string]int64{}
			var wg sync.WaitGroup
			for w := range 4 {
				service := fmt.Sprint("s", w%2)
				for i := range 10 {
					want["a "+service+" "+fmt.Sprint("f", i%3)] += int64(100*w + i + 1)
				}
				wg.Go(func() {
					for i := range 10 {
						body := pprofBody(t, at.Add(time.Duration(1000*w+i)*time.Minute), map[string]int64{fmt.Sprint("f", i%3): int64(100*w + i + 1)})
						for try := 0; ; try++ {
							res := r.Push(context.Background(), "a", []whprofile.Raw{raw(service, body)})
							if res[0].Err == nil {
								break
							}
							if !assert.Less(t, try, 50, "%v", res[0].Err) {
								return
							}
						}
					}
				})
			}
			wg.Wait()
			assert.Equal(t, want, r.read(t).samples)
			assert.Zero(t, r.budget.used())
		})
	}
}
