package metastore

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// TestReadOffline: a directory that nobody uses gives the same index as a node that
// runs on it, from the log alone and from a snapshot with a log behind it.
func TestReadOffline(t *testing.T) {
	t.Parallel()
	for _, withSnapshot := range []bool{false, true} {
		o := quiet(filepath.Join(t.TempDir(), "meta"))
		n := start(t, o)
		for i := range 10 {
			n.mustAdd(segment(i))
		}
		if withSnapshot {
			require.NoError(t, n.raft.Load().Snapshot().Error())
		}
		n.replace(100, 1, 2, 3)
		n.mustAdd(segment(11))
		want, digest := n.live(), n.digest()
		_, err := ReadOffline(o)
		require.Equal(t, warehouse.Unavailable, warehouse.KindOf(err), "another process uses it")
		n.stop()

		for range 2 { // it changes nothing
			snap, err := ReadOffline(o)
			require.NoError(t, err)
			require.Equal(t, want, objectsOf(snap))
			require.Equal(t, digest, snap.view.Digest())
			require.NotEmpty(t, snap.Tombstones())
			snap.Release()
		}
		n = start(t, o)
		require.Equal(t, want, n.live())
		n.stop()
	}
}

func TestReadOfflineRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := ReadOffline(Options{Dir: filepath.Join(dir, "none")})
	require.Equal(t, warehouse.NotFound, warehouse.KindOf(err))
	require.NoDirExists(t, filepath.Join(dir, "none"))
	_, err = ReadOffline(Options{})
	require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
	require.NoError(t, os.WriteFile(filepath.Join(dir, formatFile), []byte("stackhouse metastore\nformat 99\n"), 0o600))
	_, err = ReadOffline(Options{Dir: dir})
	require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
}
