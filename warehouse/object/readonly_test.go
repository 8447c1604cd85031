package object

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// TestReadOnly: it sees what a bucket has, and leaves even its leftovers.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := OpenReadOnly(filepath.Join(dir, "none"))
	require.Equal(t, warehouse.NotFound, warehouse.KindOf(err), err)
	b, err := OpenReadOnly(dir)
	require.NoError(t, err)
	list := func() (names []string) {
		require.NoError(t, b.List(t.Context(), "", func(a Attrs) error { names = append(names, a.Name); return nil }))
		return names
	}
	require.Empty(t, list(), "a folder that no bucket was in yet")

	writer, err := NewFilesystem(dir)
	require.NoError(t, err)
	require.NoError(t, writer.Put(t.Context(), "a/b", []byte("text")))
	leftover := filepath.Join(dir, tempFolder, "7")
	require.NoError(t, os.WriteFile(leftover, nil, 0o600))
	b, err = OpenReadOnly(dir)
	require.NoError(t, err)
	require.FileExists(t, leftover)
	require.Equal(t, []string{"a/b"}, list())
	data, err := b.Read(t.Context(), "a/b", 1, 2)
	require.NoError(t, err)
	require.Equal(t, "ex", string(data))

	require.Equal(t, warehouse.Denied, warehouse.KindOf(b.Put(t.Context(), "a/c", nil)))
	require.Equal(t, warehouse.Denied, warehouse.KindOf(b.Delete(t.Context(), "a/b")))
	require.Equal(t, []string{"a/b"}, list())

	_, err = OpenReadOnly(filepath.Join(dir, "a", "b"))
	require.Equal(t, warehouse.NotFound, warehouse.KindOf(err), "a file")
	require.NoError(t, os.RemoveAll(dir))
	err = b.List(t.Context(), "", func(Attrs) error { return nil })
	require.Equal(t, warehouse.Unavailable, warehouse.KindOf(err), "gone")
}
