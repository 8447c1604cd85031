package metastore

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// go test ./metastore -bench AddSegment: segments answered, so durable, on disk
// (each with fsync), by callers at the same time. TMPDIR says which disk.
func BenchmarkAddSegment(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			n := start(b, quiet(b.TempDir()))
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					for {
						i := next.Add(1)
						if i > int64(b.N) {
							return
						}
						s := segment(int(i))
						s.Parts[0].Hour += warehouse.Hour(i % 100)
						s.Parts[0].Range.From = s.Parts[0].Hour.Start()
						s.Parts[0].Range.To = s.Parts[0].Range.From
						if _, err := n.AddSegment(context.Background(), s); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "segments/s")
		})
	}
}

// go test ./metastore -bench Snapshot -benchmem: what a query pays to hold the
// index still.
func BenchmarkSnapshot(b *testing.B) {
	n := start(b, quiet(b.TempDir()))
	for i := range 100 {
		n.mustAdd(segment(1 + i))
	}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		s, err := n.Snapshot(ctx)
		if err != nil {
			b.Fatal(err)
		}
		s.Release()
	}
}

// STACKHOUSE_BENCH=1 go test ./metastore -run StartUpBehind -v: a start behind
// 100,000 commands that nobody snapshotted at a clean stop.
func TestStartUpBehindManyCommands(t *testing.T) {
	if os.Getenv("STACKHOUSE_BENCH") == "" {
		t.Skip("set STACKHOUSE_BENCH=1 to run")
	}
	dir := t.TempDir()
	n := start(t, Options{Dir: dir})
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 256 {
		wg.Go(func() {
			for i := next.Add(1); i <= 100_000; i = next.Add(1) {
				r, err := n.AddSegment(context.Background(), segment(int(i)))
				if err != nil || r.Outcome != warehouse.Added {
					t.Error(r, err)
					return
				}
			}
		})
	}
	wg.Wait()
	want := n.digest()
	n.stop()
	begin := time.Now()
	again := start(t, Options{Dir: dir})
	took := time.Since(begin)
	t.Logf("%d commands behind the snapshot, ready after %s", again.fsm.pendingCommands.Load(), took)
	require.Equal(t, want, again.digest())
}
