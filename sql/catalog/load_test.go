package catalog

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLoadIsFast(t *testing.T) {
	c, err := New()
	require.NoError(t, err)
	start := time.Now()
	file, err := c.Save(t.Context(), unattached(t), t.TempDir()+"/pgcat.duckdb")
	require.NoError(t, err)
	t.Log("save", time.Since(start))
	for _, from := range []interface {
		Load(context.Context, Execer) error
	}{c, file, file, file} {
		i := unattached(t)
		start := time.Now()
		require.NoError(t, from.Load(t.Context(), i))
		t.Log(time.Since(start))
		_, rows, err := i.query(t.Context(), "SELECT tag, memory_usage_bytes FROM duckdb_memory() WHERE memory_usage_bytes > 0")
		require.NoError(t, err)
		t.Log(rows)
	}
}
