package worker

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stackhouse-db/stackhouse/sql/confined"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// TestMain is the main function of worker processes, too.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "worker" {
		os.Exit(confined.Exit())
	}
	goleak.VerifyTestMain(m)
}

// fake is an instance of a tenant.
type fake struct {
	tenant         warehouse.Tenant
	broken, closed atomic.Bool
}

func (f *fake) Close()       { f.closed.Store(true) }
func (f *fake) Broken() bool { return f.broken.Load() }

func fakePool(perTenant, total int) (*pool[*fake], *atomic.Int64) {
	var opened atomic.Int64
	return newPool(perTenant, total, func(t warehouse.Tenant) (*fake, error) {
		opened.Add(1)
		if t == "bad" {
			return nil, errors.New("no")
		}
		return &fake{tenant: t}, nil
	}), &opened
}

func TestPoolUsesInstancesAgain(t *testing.T) {
	t.Parallel()
	p, opened := fakePool(2, 4)
	a, release, err := p.take(t.Context(), "a")
	require.NoError(t, err)
	release()
	again, release, err := p.take(t.Context(), "a")
	require.NoError(t, err)
	require.Same(t, a, again)
	other, releaseOther, err := p.take(t.Context(), "b")
	require.NoError(t, err)
	require.NotSame(t, a, other, "never of another tenant")
	require.Equal(t, int64(2), opened.Load())
	releaseOther()

	again.broken.Store(true)
	release()
	require.True(t, a.closed.Load())
	fresh, release, err := p.take(t.Context(), "a")
	require.NoError(t, err)
	require.NotSame(t, a, fresh)
	release()
	p.close()
	require.True(t, fresh.closed.Load())
	require.Empty(t, p.mu.tenants)
	_, _, err = p.take(t.Context(), "a")
	require.Equal(t, warehouse.Unavailable, warehouse.KindOf(err))
}

func TestPoolWaits(t *testing.T) {
	t.Parallel()
	p, _ := fakePool(1, 2)
	_, release, err := p.take(t.Context(), "a")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, _, err = p.take(ctx, "a")
	require.Equal(t, warehouse.Deadline, warehouse.KindOf(err))
	canceled, stop := context.WithCancel(t.Context())
	stop()
	_, _, err = p.take(canceled, "a")
	require.Equal(t, warehouse.Canceled, warehouse.KindOf(err))

	_, releaseB, err := p.take(t.Context(), "b")
	require.NoError(t, err)
	_, _, err = p.take(canceled, "c")
	require.Equal(t, warehouse.Canceled, warehouse.KindOf(err), "the total is used up")
	releaseB()
	_, releaseC, err := p.take(t.Context(), "c")
	require.NoError(t, err)
	releaseC()

	done := make(chan struct{})
	go func() {
		defer close(done)
		_, r, err := p.take(t.Context(), "a")
		if err == nil {
			r()
		}
	}()
	release()
	<-done
	all, unused := p.size()
	require.Equal(t, all, unused)
}

func TestPoolForgets(t *testing.T) {
	t.Parallel()
	p, _ := fakePool(2, 2)
	_, _, err := p.take(t.Context(), "bad")
	require.Error(t, err)
	require.Empty(t, p.mu.tenants)
	var used []*fake
	for _, tenant := range []warehouse.Tenant{"a", "b", "c"} {
		f, release, err := p.take(t.Context(), tenant)
		require.NoError(t, err)
		used = append(used, f)
		release()
	}
	require.True(t, used[0].closed.Load(), "the one that was used first makes room")
	require.False(t, used[2].closed.Load())
	p.expire(time.Now().Add(time.Minute))
	require.True(t, used[1].closed.Load())
	require.True(t, used[2].closed.Load())
	require.Empty(t, p.mu.tenants)
	all, _ := p.size()
	require.Zero(t, all)
}

func TestPoolUnderLoad(t *testing.T) {
	t.Parallel()
	p, _ := fakePool(3, 5)
	var inUse sync.Map
	var wg sync.WaitGroup
	for n := range 40 {
		wg.Go(func() {
			tenant := warehouse.Tenant([]string{"a", "b", "c"}[n%3])
			for i := range 50 {
				f, release, err := p.take(t.Context(), tenant)
				if err != nil || f.tenant != tenant || f.closed.Load() {
					t.Errorf("take %s: %v %v", tenant, f, err)
					return
				}
				if _, taken := inUse.LoadOrStore(f, true); taken {
					t.Error("an instance is used twice")
				}
				if i%17 == 0 {
					f.broken.Store(true)
				}
				inUse.Delete(f)
				release()
				if i%20 == 0 {
					p.expire(time.Now().Add(time.Second))
				}
			}
		})
	}
	wg.Wait()
	p.close()
	all, _ := p.size()
	require.Zero(t, all)
}
