package objecttest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// names lists the names under a prefix.
func names(t *testing.T, b object.Bucket, prefix string) []string {
	t.Helper()
	var got []string
	require.NoError(t, b.List(t.Context(), prefix, func(a object.Attrs) error {
		got = append(got, a.Name)
		return nil
	}))
	return got
}

func list(t *testing.T, b object.Bucket) {
	require.Empty(t, names(t, b, ""))
	all := []string{
		"a-b/x", "a.b", "a/b", "a/b-/z", "a/c/d", "a/c.d", "a0", "ab/c", "z/1", "z/10", "z/2", "é",
	}
	for i, name := range all {
		put(t, b, name, fmt.Sprint(i))
	}
	slices.Sort(all)
	tests := []struct {
		prefix string
		want   []string
	}{
		{"", all},
		{"a", []string{"a/b", "a/b-/z", "a/c.d", "a/c/d"}},
		{"a/", []string{"a/b", "a/b-/z", "a/c.d", "a/c/d"}},
		{"a/c", []string{"a/c/d"}},
		{"a/b", nil},  // an object, not a folder
		{"a/b/", nil}, // likewise
		{"z", []string{"z/1", "z/10", "z/2"}},
		{"none", nil},
		{"none/at/all/", nil},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, names(t, b, tt.prefix), "prefix %q", tt.prefix)
	}
	require.NoError(t, b.List(t.Context(), "", func(a object.Attrs) error {
		attrs, err := b.Stat(t.Context(), a.Name)
		require.NoError(t, err)
		if a.Size >= 0 {
			require.Equal(t, attrs.Size, a.Size)
		}
		if !a.ModifiedAt.IsZero() {
			require.True(t, attrs.ModifiedAt.Equal(a.ModifiedAt))
		}
		return nil
	}))
}

func listStops(t *testing.T, b object.Bucket) {
	for _, name := range []string{"a/1", "a/2", "b/3"} {
		put(t, b, name, name)
	}
	stop := errors.New("enough")
	var seen []string
	err := b.List(t.Context(), "", func(a object.Attrs) error {
		seen = append(seen, a.Name)
		if a.Name == "a/2" {
			return stop
		}
		return nil
	})
	require.Equal(t, stop, err)
	require.Equal(t, []string{"a/1", "a/2"}, seen)
}
