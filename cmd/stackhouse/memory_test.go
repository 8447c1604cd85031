package main

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAvailableMemory(t *testing.T) {
	t.Parallel()
	const (
		host   = "MemTotal:        8388608 kB\nMemFree: 1 kB\n"
		v2     = "0::/user/app\n"
		v1     = "9:cpu:/x\n3:memory:/docker/abc\n"
		noMax  = "max\n"
		noMax1 = "9223372036854771712\n"
	)
	tests := []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing to read", nil, fallbackMemory},
		{"host only", map[string]string{"proc/meminfo": host}, 8 << 30},
		{"no limit, version 2", map[string]string{"proc/meminfo": host, "proc/self/cgroup": v2, "sys/fs/cgroup/user/app/memory.max": noMax}, 8 << 30},
		{"own group, version 2", map[string]string{"proc/meminfo": host, "proc/self/cgroup": v2, "sys/fs/cgroup/user/app/memory.max": "1048576\n"}, 1 << 20},
		{"group above, version 2", map[string]string{"proc/meminfo": host, "proc/self/cgroup": v2, "sys/fs/cgroup/user/memory.max": "1048576\n"}, 1 << 20},
		{"tightest group", map[string]string{"proc/meminfo": host, "proc/self/cgroup": v2, "sys/fs/cgroup/user/memory.max": "4096\n", "sys/fs/cgroup/user/app/memory.max": "8192\n"}, 4096},
		{"container, version 2", map[string]string{"proc/meminfo": host, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "2097152\n"}, 2 << 20},
		{"version 1", map[string]string{"proc/meminfo": host, "proc/self/cgroup": v1, "sys/fs/cgroup/memory/memory.limit_in_bytes": "2097152\n"}, 2 << 20},
		{"no limit, version 1", map[string]string{"proc/meminfo": host, "proc/self/cgroup": v1, "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": noMax1}, 8 << 30},
		{"limit above the host's", map[string]string{"proc/meminfo": host, "proc/self/cgroup": v2, "sys/fs/cgroup/user/app/memory.max": "99999999999999\n"}, 8 << 30},
		{"nonsense", map[string]string{"proc/meminfo": "MemTotal: x kB\n", "proc/self/cgroup": "::::\nx\n0::../..\n"}, fallbackMemory},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for name, text := range tt.files {
				path := filepath.Join(root, name)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
				require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			}
			require.Equal(t, tt.want, availableMemory(root))
		})
	}
}

func TestBudgets(t *testing.T) {
	t.Parallel()
	b := newBudgets(1000 << 20)
	require.EqualValues(t, 300<<20, b.goHeap)
	require.EqualValues(t, 250<<20, b.engine)
	require.EqualValues(t, 300<<20, b.sql+b.spool)
	require.LessOrEqual(t, b.goHeap+b.engine+b.sql+b.spool, b.total*85/100, "the rest is for merging blocks")
	parts := []int64{b.bodies, b.pushes, b.definitions, b.symbols, b.series, b.samples}
	var sum int64
	for i, n := range parts {
		require.Positive(t, n, "part %d", i)
		sum += n
	}
	require.LessOrEqual(t, sum, b.goHeap*80/100, "room for answers and the index")
}

// TestGoLimit reads the limit back from the runtime.
func TestGoLimit(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })

	t.Setenv("GOMEMLIMIT", "")
	newBudgets(10 << 30).applyGoLimit()
	require.EqualValues(t, 3<<30, debug.SetMemoryLimit(-1))

	t.Setenv("GOMEMLIMIT", "1GiB")
	newBudgets(20 << 30).applyGoLimit()
	require.EqualValues(t, 3<<30, debug.SetMemoryLimit(-1), "an explicit GOMEMLIMIT stays")
}

func TestCacheBytes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		disk, want int64
	}{
		{"share of a small disk", "10%", 20 << 30, 2 << 30},
		{"share of a large disk", "10%", 1 << 40, 10 << 30},
		{"size", "64GiB", 1 << 40, 64 << 30},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var c config
			require.NoError(t, c.CacheBytes.UnmarshalText([]byte(tt.text)))
			require.Equal(t, tt.want, c.cacheBytes(tt.disk))
		})
	}
}
