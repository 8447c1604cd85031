package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// smallData returns a data directory with a few profiles, whose server is stopped, and
// what a server over it must have.
func smallData(t *testing.T) (dir string, check func(dir string)) {
	t.Helper()
	never, _ := policies()
	dir = filepath.Join(t.TempDir(), "data")
	n := runFaultNode(t, faultSettings{dir: dir, policy: never})
	l := newLedger()
	for i := range 5 {
		id := fmt.Sprintf("id-%d", i)
		req, err := faultRequest(id, i, int64(100+i), time.Now())
		require.NoError(t, err)
		l.send(id, int64(100+i))
		require.NoError(t, newFaultClient(t, n, faultTenants[0]).push(t.Context(), req))
		l.ack(id)
	}
	n.stop()
	return dir, func(dir string) {
		t.Helper()
		n := runFaultNode(t, faultSettings{dir: dir, policy: never})
		got, err := newFaultClient(t, n, faultTenants[0]).askSQL(t.Context())
		require.NoError(t, err)
		require.NoError(t, l.check(got, l.ackedNow()))
		n.stop()
	}
}

func TestMetastoreExportAndImport(t *testing.T) {
	dir, check := smallData(t)
	file := filepath.Join(t.TempDir(), "state")
	ok := func(args ...string) string {
		t.Helper()
		r := command(t, nil, append([]string{"metastore"}, args...)...)
		require.Zero(t, r.status, r.stderr)
		return r.stdout
	}
	fails := func(want string, args ...string) {
		t.Helper()
		r := command(t, nil, append([]string{"metastore"}, args...)...)
		require.Equal(t, exitError, r.status)
		require.Contains(t, r.stderr, want)
	}
	require.Contains(t, ok("export", file, "--data-dir", dir), "1 tenant, ")
	fails("is there already", "export", file, "--data-dir", dir)
	fails("there is one", "import", file, "--data-dir", dir)
	fails("there is no folder bucket", "export", file+"2", "--data-dir", filepath.Join(dir, "nowhere"))
	require.NoDirExists(t, filepath.Join(dir, "nowhere"))

	require.NoError(t, os.RemoveAll(filepath.Join(dir, metastoreDir)))
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	bad := filepath.Join(t.TempDir(), "bad")
	require.NoError(t, os.WriteFile(bad, damaged(data, len(data)/2), 0o600))
	fails("checksum", "import", bad, "--data-dir", dir)
	fails("there is none", "guard", "--data-dir", dir)
	fails("there is none", "export", file+"2", "--data-dir", dir)
	require.NotContains(t, ok("import", file, "--data-dir", dir), "not in")
	check(dir)
	require.Contains(t, ok("guard", "--data-dir", dir), "are left alone")
	require.Contains(t, ok("guard", "--data-dir", dir, "--lift"), "lifted")
	require.Contains(t, ok("guard", "--data-dir", dir), "no guard")
	check(dir)
}

// Of a data directory only the bucket is left.
func TestRebuildFromABucketAlone(t *testing.T) {
	dir, check := smallData(t)
	moved := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.MkdirAll(moved, 0o750))
	require.NoError(t, os.Rename(filepath.Join(dir, bucketDir), filepath.Join(moved, bucketDir)))
	r := command(t, map[string]string{"STACKHOUSE_DATA_DIR": moved}, "metastore", "rebuild")
	require.Zero(t, r.status, r.stderr)
	check(moved)
	r = command(t, nil, "metastore", "rebuild", "--data-dir", moved, "--force")
	require.Zero(t, r.status, r.stderr)
	aside, err := filepath.Glob(filepath.Join(moved, metastoreDir+".before-*"))
	require.NoError(t, err)
	require.Len(t, aside, 1)
	check(moved)

	require.NoError(t, os.RemoveAll(filepath.Join(moved, metastoreDir)))
	require.NoError(t, os.RemoveAll(filepath.Join(moved, bucketDir, "meta")))
	r = command(t, nil, "metastore", "rebuild", "--data-dir", moved)
	require.Equal(t, exitError, r.status)
	require.Contains(t, r.stderr, "--without-manifest")
	r = command(t, nil, "metastore", "rebuild", "--data-dir", moved, "--without-manifest")
	require.Zero(t, r.status, r.stderr)
	check(moved)
}

// No server starts on a part of a backup, and a restore is gone on with.
func TestRestoreIsGoneOnWith(t *testing.T) {
	dir, check := smallData(t)
	never, _ := policies()
	n := runFaultNode(t, faultSettings{dir: dir, policy: never})
	place, target := filepath.Join(t.TempDir(), "place"), filepath.Join(t.TempDir(), "target")
	r := command(t, nil, "backup", "--to", "file://"+place, "--addr", n.url)
	require.Zero(t, r.status, r.stderr)
	n.stop()
	r = command(t, nil, "restore", "--from", place, "--data-dir", target)
	require.Zero(t, r.status, r.stderr)
	marker := filepath.Join(target, restoring)
	require.NoFileExists(t, marker)

	require.NoError(t, os.WriteFile(marker, []byte("restore of another\n"), 0o600))
	r = command(t, nil, "restore", "--from", place, "--data-dir", target)
	require.Equal(t, exitError, r.status)
	require.Contains(t, r.stderr, "another restore")
	_, err := openDataDir(target)
	require.ErrorContains(t, err, "a restore into it has not ended")

	require.NoError(t, os.RemoveAll(target))
	require.Zero(t, command(t, nil, "restore", "--from", place, "--data-dir", target, "--check").status)
	require.NoDirExists(t, target)

	for _, tt := range []struct {
		want string
		args []string
	}{
		{"keeps backups in directories only", []string{"backup", "--to", "s3://bucket/x", "--addr", n.url}},
		{"is no backup", []string{"restore", "--from", t.TempDir(), "--data-dir", target}},
		{"no such file", []string{"restore", "--from", place + "x", "--data-dir", target}},
		{"choose an empty directory", []string{"backup", "--to", dir, "--addr", n.url}},
		{"begin backup at", []string{"backup", "--to", place, "--addr", n.url}},
		{"is no address of a server", []string{"backup", "--to", place, "--addr", "http://"}},
	} {
		r := command(t, nil, tt.args...)
		require.Equal(t, exitError, r.status, tt.args)
		require.Contains(t, r.stderr, tt.want)
	}
	check(dir)
}
