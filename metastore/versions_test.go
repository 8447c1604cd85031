package metastore

import (
	"bufio"
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore/state"
)

// FuzzLogVersions: any bytes are a file of the log as far as they go.
func FuzzLogVersions(f *testing.F) {
	data, err := os.ReadFile("../testdata/metastore/v2/directory/log/00000000000000000001-0000000000000000.wal")
	require.NoError(f, err)
	f.Add(data[:4096])
	f.Add(data[:100])
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, data []byte) {
		_ = eachEntry(bufio.NewReader(bytes.NewReader(data)), func(payload []byte) error {
			e, err := decodeEntry(payload)
			if err != nil {
				return nil //nolint:nilerr // damage is for others to find
			}
			return state.CheckCommandVersion(e.Data)
		})
	})
}

// TestEachEntry: all entries of a file are seen.
func TestEachEntry(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../testdata/metastore/v2/directory/log/00000000000000000001-0000000000000000.wal")
	require.NoError(t, err)
	var indices []uint64
	require.NoError(t, eachEntry(bufio.NewReader(bytes.NewReader(data)), func(payload []byte) error {
		e, err := decodeEntry(payload)
		require.NoError(t, err)
		indices = append(indices, e.Index)
		return nil
	}))
	require.Len(t, indices, 54)
	for i, index := range indices {
		require.EqualValues(t, i+1, index)
	}
}
