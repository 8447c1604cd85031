package objecttest

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

func put(t *testing.T, b object.Bucket, name, data string) {
	t.Helper()
	require.NoError(t, b.Put(t.Context(), name, []byte(data)))
}

func wantObject(t *testing.T, b object.Bucket, name, data string) {
	t.Helper()
	got, err := b.Read(t.Context(), name, 0, -1)
	require.NoError(t, err)
	require.Equal(t, data, string(got))
}

func wantKind(t *testing.T, kind warehouse.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, kind, warehouse.KindOf(err), "kind of %v", err)
	var e *warehouse.Error
	require.True(t, errors.As(err, &e), "%v has no kind of its own", err)
}

func readBack(t *testing.T, b object.Bucket) {
	large := strings.Repeat("0123456789abcdef", 3<<20/16) + "end"
	for name, data := range map[string]string{"a": "one", "b/c": "two", "b/d/e.f": "three", "empty": "", "large": large} {
		put(t, b, name, data)
		wantObject(t, b, name, data)
	}
}

func ranges(t *testing.T, b object.Bucket) {
	put(t, b, "x/ten", "0123456789")
	put(t, b, "x/empty", "")
	tests := []struct {
		name, object string
		off, n       int64
		want         string
	}{
		{"all", "x/ten", 0, 10, "0123456789"},
		{"to the end", "x/ten", 0, -1, "0123456789"},
		{"to the end, any negative number", "x/ten", 3, math.MinInt64, "3456789"},
		{"inside", "x/ten", 2, 3, "234"},
		{"one byte", "x/ten", 9, 1, "9"},
		{"no bytes", "x/ten", 4, 0, ""},
		{"over the end", "x/ten", 8, 100, "89"},
		{"much over the end", "x/ten", 8, math.MaxInt64, "89"},
		{"at the end", "x/ten", 10, 1, ""},
		{"at the end, to the end", "x/ten", 10, -1, ""},
		{"behind the end", "x/ten", 11, 5, ""},
		{"far behind the end", "x/ten", math.MaxInt64, 5, ""},
		{"behind the end, to the end", "x/ten", 1 << 40, -1, ""},
		{"of an empty object", "x/empty", 0, 5, ""},
		{"all of an empty object", "x/empty", 0, -1, ""},
	}
	for _, tt := range tests {
		got, err := b.Read(t.Context(), tt.object, tt.off, tt.n)
		if assert.NoError(t, err, tt.name) {
			assert.Equal(t, tt.want, string(got), tt.name)
		}
	}
	_, err := b.Read(t.Context(), "x/ten", -1, 5)
	wantKind(t, warehouse.Invalid, err)
}

func missing(t *testing.T, b object.Bucket) {
	put(t, b, "a/b", "x")
	for _, name := range []string{"c", "a/c", "c/d/e"} {
		_, err := b.Stat(t.Context(), name)
		wantKind(t, warehouse.NotFound, err)
		for _, n := range []int64{-1, 0, 5} {
			_, err = b.Read(t.Context(), name, 0, n)
			wantKind(t, warehouse.NotFound, err)
		}
		_, err = b.Read(t.Context(), name, 7, 5)
		wantKind(t, warehouse.NotFound, err)
	}
}

func folderIsNoObject(t *testing.T, b object.Bucket) {
	put(t, b, "a/b/c", "x")
	for _, name := range []string{"a", "a/b"} {
		_, err := b.Stat(t.Context(), name)
		wantKind(t, warehouse.NotFound, err)
		_, err = b.Read(t.Context(), name, 0, -1)
		wantKind(t, warehouse.NotFound, err)
		_, err = b.Read(t.Context(), name, 0, 0)
		wantKind(t, warehouse.NotFound, err)
	}
}

func replace(t *testing.T, b object.Bucket) {
	for _, data := range []string{"first", "a longer second", "3", ""} {
		put(t, b, "a/b", data)
		wantObject(t, b, "a/b", data)
		attrs, err := b.Stat(t.Context(), "a/b")
		require.NoError(t, err)
		require.EqualValues(t, len(data), attrs.Size)
	}
}

func ownership(t *testing.T, b object.Bucket) {
	data := []byte("mine")
	require.NoError(t, b.Put(t.Context(), "a", data))
	copy(data, "gone")
	got, err := b.Read(t.Context(), "a", 0, -1)
	require.NoError(t, err)
	require.Equal(t, "mine", string(got))
	copy(got, "gone")
	wantObject(t, b, "a", "mine")
}

func stat(t *testing.T, b object.Bucket) {
	before := time.Now().Add(-2 * time.Second) // file systems keep coarse times
	put(t, b, "a/b", "four")
	attrs, err := b.Stat(t.Context(), "a/b")
	require.NoError(t, err)
	require.Equal(t, "a/b", attrs.Name)
	require.EqualValues(t, 4, attrs.Size)
	require.WithinRange(t, attrs.ModifiedAt, before, time.Now().Add(2*time.Second))
}

func deleteTwice(t *testing.T, b object.Bucket) {
	put(t, b, "a/b", "x")
	put(t, b, "a/bc", "y")
	for range 2 {
		require.NoError(t, b.Delete(t.Context(), "a/b"))
		_, err := b.Read(t.Context(), "a/b", 0, -1)
		wantKind(t, warehouse.NotFound, err)
	}
	require.NoError(t, b.Delete(t.Context(), "never/was"))
	wantObject(t, b, "a/bc", "y")
	put(t, b, "a/b", "again")
	wantObject(t, b, "a/b", "again")
}

func deleteFolder(t *testing.T, b object.Bucket) {
	put(t, b, "a/b/c", "x")
	put(t, b, "a/b/d", "y")
	require.NoError(t, b.Delete(t.Context(), "a"))
	require.NoError(t, b.Delete(t.Context(), "a/b"))
	wantObject(t, b, "a/b/c", "x")
	wantObject(t, b, "a/b/d", "y")
}

func emptiedFolder(t *testing.T, b object.Bucket) {
	for range 3 {
		put(t, b, "a/b/c/d", "x")
		wantObject(t, b, "a/b/c/d", "x")
		require.NoError(t, b.Delete(t.Context(), "a/b/c/d"))
		require.Empty(t, names(t, b, ""))
	}
}

func badNames(t *testing.T, b object.Bucket) {
	put(t, b, "a/b", "x")
	long := strings.Repeat("n", 256)
	for _, name := range []string{
		"", ".", "..", "/", "/a", "a/", "a//b", "../a", "a/../b", "a/..", "./a", "a/.", "a/./b", "/etc/passwd",
		"a\x00b", "a\nb", "a\x7fb", `a\b`, `..\a`, "a/\xff", ".tmp", ".tmp/1",
		long, "a/" + long, "a/" + long + "/b", strings.Repeat("ab/", 400) + "c",
	} {
		_, readErr := b.Read(t.Context(), name, 0, -1)
		_, statErr := b.Stat(t.Context(), name)
		for op, err := range map[string]error{
			"put":    b.Put(t.Context(), name, []byte("x")),
			"read":   readErr,
			"stat":   statErr,
			"delete": b.Delete(t.Context(), name),
		} {
			assert.Equal(t, warehouse.Invalid, warehouse.KindOf(err), "%s %q: %v", op, name, err)
		}
		_, ok := b.LocalPath(name)
		assert.False(t, ok, "local path of %q", name)
		if name == "" || name == "a/" {
			continue // are prefixes
		}
		err := b.List(t.Context(), name, func(object.Attrs) error { return nil })
		assert.Equal(t, warehouse.Invalid, warehouse.KindOf(err), "list %q: %v", name, err)
	}
	require.Equal(t, []string{"a/b"}, names(t, b, ""))
}

func oddNames(t *testing.T, b object.Bucket) {
	var want []string
	for _, name := range []string{
		"!_.*'()-/A b/c+d", "%2e%2e/x", "a:b", "é/ü", ".hidden/.x", "...", "a/.tmp/b", "~", "#?&",
		strings.Repeat("n", 255), "deep/" + strings.Repeat("d/", 100) + "e",
		"long/" + strings.Repeat(strings.Repeat("l", 199)+"/", 5) + "end",
	} {
		put(t, b, name, "data of "+name)
		want = append(want, name)
	}
	for _, name := range want {
		wantObject(t, b, name, "data of "+name)
	}
	require.ElementsMatch(t, want, names(t, b, ""))
}

func contextOver(t *testing.T, b object.Bucket) {
	put(t, b, "a/b", "x")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancelExpired := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancelExpired()
	for ctx, kind := range map[context.Context]warehouse.Kind{canceled: warehouse.Canceled, expired: warehouse.Deadline} {
		wantKind(t, kind, b.Put(ctx, "a/b", []byte("y")))
		wantKind(t, kind, b.Put(ctx, "a/new", []byte("y")))
		wantKind(t, kind, b.Delete(ctx, "a/b"))
		_, err := b.Read(ctx, "a/b", 0, -1)
		wantKind(t, kind, err)
		_, err = b.Stat(ctx, "a/b")
		wantKind(t, kind, err)
		wantKind(t, kind, b.List(ctx, "", func(object.Attrs) error { return nil }))
	}
	require.Equal(t, []string{"a/b"}, names(t, b, ""))
	wantObject(t, b, "a/b", "x")
}

func localPath(t *testing.T, b object.Bucket) {
	put(t, b, "a/b", "in place")
	file, ok := b.LocalPath("a/b")
	if !ok {
		return
	}
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "in place", string(data))
	file, ok = b.LocalPath("not/there")
	require.True(t, ok)
	require.NoFileExists(t, file)
}

// pattern returns n equal bytes, so that a mixture of two can be seen.
func pattern(c byte, n int) []byte { return bytes.Repeat([]byte{c}, n) }
