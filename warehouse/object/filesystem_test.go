package object_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
	"github.com/stackhouse-db/stackhouse/warehouse/object/objecttest"
)

func wantKind(t *testing.T, kind warehouse.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, kind, warehouse.KindOf(err), "kind of %v", err)
}

// TestDurabilityOrder shows every step of a Put: the bytes are synced before
// they get their name, each new folder is synced into its parent before that,
// and the name is synced before Put returns.
func TestDurabilityOrder(t *testing.T) {
	t.Parallel()
	var trace []string
	sys := objecttest.HookedOS{OS: objecttest.NewDisk(), Before: func(c objecttest.Call) error {
		trace = append(trace, c.Op+" "+c.Path)
		return nil
	}}
	b, err := object.NewFilesystemOn(sys, "/data/bucket")
	require.NoError(t, err)
	steps := func(do func() error) []string {
		trace = nil
		require.NoError(t, do())
		return trace
	}
	first := steps(func() error { return b.Put(t.Context(), "a/b/one", []byte("1")) })
	require.Equal(t, []string{
		"create /data/bucket/.tmp/1", "write /data/bucket/.tmp/1", "sync /data/bucket/.tmp/1", "close /data/bucket/.tmp/1",
		"mkdir /data/bucket/a", "syncdir /data/bucket",
		"mkdir /data/bucket/a/b", "syncdir /data/bucket/a",
		"rename /data/bucket/a/b/one", "syncdir /data/bucket/a/b",
	}, first)
	second := steps(func() error { return b.Put(t.Context(), "a/b/two", []byte("2")) })
	require.Equal(t, []string{
		"create /data/bucket/.tmp/2", "write /data/bucket/.tmp/2", "sync /data/bucket/.tmp/2", "close /data/bucket/.tmp/2",
		"rename /data/bucket/a/b/two", "syncdir /data/bucket/a/b",
	}, second, "known folders cost nothing")
	require.Equal(t, []string{
		"stat /data/bucket/a/b/two", "remove /data/bucket/a/b/two", "isempty /data/bucket/a/b",
	}, steps(func() error { return b.Delete(t.Context(), "a/b/two") }))
	require.Equal(t, []string{
		"stat /data/bucket/a/b/one", "remove /data/bucket/a/b/one",
		"isempty /data/bucket/a/b", "remove /data/bucket/a/b", "isempty /data/bucket/a", "remove /data/bucket/a",
	}, steps(func() error { return b.Delete(t.Context(), "a/b/one") }))
	again := steps(func() error { return b.Put(t.Context(), "a/b/one", []byte("1")) })
	require.Equal(t, first[4:], again[4:], "a folder that was removed is made durable again")
}

func TestRootIsDurable(t *testing.T) {
	t.Parallel()
	disk := objecttest.NewDisk()
	b, err := object.NewFilesystemOn(disk, "/var/lib/stackhouse/bucket")
	require.NoError(t, err)
	require.NoError(t, b.Put(t.Context(), "a", []byte("x")))
	b, err = object.NewFilesystemOn(disk.Crash(nil), "/var/lib/stackhouse/bucket")
	require.NoError(t, err)
	data, err := b.Read(t.Context(), "a", 0, -1)
	require.NoError(t, err)
	require.Equal(t, "x", string(data))
}

// TestFolderOfAKilledProcess: a folder that exists need not be durable.
func TestFolderOfAKilledProcess(t *testing.T) {
	t.Parallel()
	disk := objecttest.NewDisk()
	open := func(d *objecttest.Disk) *object.Filesystem {
		b, err := object.NewFilesystemOn(d, "/bucket")
		require.NoError(t, err)
		return b
	}
	open(disk)
	require.NoError(t, disk.Mkdir("", "/bucket/a")) // made, not synced, then killed
	require.NoError(t, open(disk).Put(t.Context(), "a/b", []byte("x")))
	data, err := open(disk.Crash(nil)).Read(t.Context(), "a/b", 0, -1)
	require.NoError(t, err)
	require.Equal(t, "x", string(data))
}

func TestLeftoversAreRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := object.NewFilesystem(dir)
	require.NoError(t, err)
	require.NoError(t, b.Put(t.Context(), "a/b", []byte("x")))
	leftover := filepath.Join(dir, ".tmp", "1")
	require.NoError(t, os.WriteFile(leftover, []byte("half"), 0o600))
	b, err = object.NewFilesystem(dir)
	require.NoError(t, err)
	require.NoFileExists(t, leftover)
	require.NoError(t, b.Put(t.Context(), "a/c", []byte("y")))
	entries, err := os.ReadDir(filepath.Join(dir, ".tmp"))
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestUnusableRoot(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := object.NewFilesystem(file)
	wantKind(t, warehouse.Invalid, err)
	require.ErrorContains(t, err, file)
	_, err = object.NewFilesystem(filepath.Join(file, "below"))
	require.Error(t, err)
}

// TestMissingRoot: an unmounted disk must not look like an empty bucket, nor
// take new objects on what lies beneath it.
func TestMissingRoot(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mount")
	b, err := object.NewFilesystem(dir)
	require.NoError(t, err)
	require.NoError(t, b.Put(t.Context(), "a/b", []byte("x")))
	for _, remount := range []func(){
		func() { require.NoError(t, os.Rename(dir, dir+".away")) },
		func() { require.NoError(t, os.Mkdir(dir, 0o700)) }, // the empty mount point
	} {
		remount()
		_, err = b.Read(t.Context(), "a/b", 0, -1)
		wantKind(t, warehouse.Unavailable, err)
		_, err = b.Stat(t.Context(), "a/b")
		wantKind(t, warehouse.Unavailable, err)
		wantKind(t, warehouse.Unavailable, b.Put(t.Context(), "a/b", []byte("y")))
		wantKind(t, warehouse.Unavailable, b.Delete(t.Context(), "a/b"))
		wantKind(t, warehouse.Unavailable, b.List(t.Context(), "", func(object.Attrs) error { return nil }))
		wantKind(t, warehouse.Unavailable, b.List(t.Context(), "none", func(object.Attrs) error { return nil }))
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestNameIsFolderOfAnother(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func() (*object.Filesystem, error){
		"real": func() (*object.Filesystem, error) { return object.NewFilesystem(t.TempDir()) },
		"disk": func() (*object.Filesystem, error) { return object.NewFilesystemOn(objecttest.NewDisk(), "/b") },
	} {
		t.Run(name, func(t *testing.T) {
			b, err := open()
			require.NoError(t, err)
			require.NoError(t, b.Put(t.Context(), "a/b", []byte("x")))
			wantKind(t, warehouse.Invalid, b.Put(t.Context(), "a", []byte("y")))
			wantKind(t, warehouse.Invalid, b.Put(t.Context(), "a/b/c", []byte("y")))
			wantKind(t, warehouse.Invalid, b.Put(t.Context(), "a/b/c/d", []byte("y")))
			_, err = b.Read(t.Context(), "a/b/c", 0, -1)
			wantKind(t, warehouse.NotFound, err)
			_, err = b.Stat(t.Context(), "a/b/c")
			wantKind(t, warehouse.NotFound, err)
			require.NoError(t, b.Delete(t.Context(), "a/b/c"))
			require.NoError(t, b.Delete(t.Context(), "a/b"))
			require.NoError(t, b.Put(t.Context(), "a/b/c/d", []byte("y")), "the name is free now")
			data, err := b.Read(t.Context(), "a/b/c/d", 0, -1)
			require.NoError(t, err)
			require.Equal(t, "y", string(data))
		})
	}
}

func TestFolderRemovedBehindOurBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := object.NewFilesystem(dir)
	require.NoError(t, err)
	require.NoError(t, b.Put(t.Context(), "a/b/c", []byte("x")))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "a")))
	require.NoError(t, b.Put(t.Context(), "a/b/d", []byte("y")))
	require.FileExists(t, filepath.Join(dir, "a", "b", "d"))
}

func TestListSkipsWhatIsNoObject(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := object.NewFilesystem(dir)
	require.NoError(t, err)
	require.NoError(t, b.Put(t.Context(), "a/b", []byte("x")))
	require.NoError(t, os.Symlink("/etc", filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(dir, "a", "link")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a", `back\slash`), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".tmp", "99"), nil, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "empty"), 0o700))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "a", "fifo"), 0o600))
	var got []string
	require.NoError(t, b.List(t.Context(), "", func(a object.Attrs) error {
		got = append(got, a.Name)
		return nil
	}))
	require.Equal(t, []string{"a/b"}, got)
}

// TestCancelBeforeTheName: a Put that is canceled while it writes has no effect.
func TestCancelBeforeTheName(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	disk := objecttest.NewDisk()
	sys := objecttest.HookedOS{OS: disk, Before: func(c objecttest.Call) error {
		if c.Op == "write" {
			cancel()
		}
		return nil
	}}
	b, err := object.NewFilesystemOn(sys, "/b")
	require.NoError(t, err)
	wantKind(t, warehouse.Canceled, b.Put(ctx, "a", []byte("x")))
	_, err = b.Stat(t.Context(), "a")
	wantKind(t, warehouse.NotFound, err)
	entries, err := disk.ReadDir("", "/b/.tmp")
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestErrorsSayWhatWasAttempted(t *testing.T) {
	t.Parallel()
	sys := objecttest.HookedOS{OS: objecttest.NewDisk(), Before: func(c objecttest.Call) error {
		if strings.HasSuffix(c.Path, "/full") {
			return syscall.ENOSPC
		}
		return nil
	}}
	b, err := object.NewFilesystemOn(sys, "/b")
	require.NoError(t, err)
	err = b.Put(t.Context(), "a/full", []byte("x"))
	wantKind(t, warehouse.Unavailable, err)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.EqualError(t, err, "put object a/full: no space left on device")
}
