package scrub

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkPass verifies 256 MiB of objects of one kind from a file system bucket, on
// one processor. What matters beside other load is the MiB for a second of processor
// time: the rest is waiting for the disk.
//
//	go test -run '^$' -bench Pass -cpu 1 ./warehouse/scrub
func BenchmarkPass(b *testing.B) {
	const total = 256 << 20
	for _, bench := range []struct {
		name string
		size int // of the largest table
		add  func(w *world, size int)
	}{
		{"blocks=32MiB", 32 << 20, func(w *world, size int) { w.block(b, time.Now(), size, size/16, size/64, size/16) }},
		{"blocks=1MiB", 1 << 20, func(w *world, size int) { w.block(b, time.Now(), size, size/16, size/64, size/16) }},
		{"segments=512KiB", 256 << 10, func(w *world, size int) { w.segment(b, time.Now(), size, size/16, size/64, size/16) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			w := newWorld(b)
			for range total / bench.size {
				bench.add(w, bench.size)
			}
			s, _ := w.scrubber(b, nil)
			b.ReportAllocs()
			var bytes int64
			before := usedTime(b)
			for b.Loop() {
				sum, err := s.Pass(b.Context(), Events{})
				require.NoError(b, err)
				require.True(b, sum.IsClean())
				bytes += sum.Bytes
			}
			b.SetBytes(bytes / int64(b.N))
			b.ReportMetric(float64(bytes)/(1<<20)/(usedTime(b)-before).Seconds(), "MiB/cpu-s")
		})
	}
}

// usedTime returns the processor time of the process.
func usedTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
