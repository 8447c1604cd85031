package manifest

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// A manifest of version 1 opens for ever. The file is never written again.
func TestVersion1(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/v1.manifest")
	require.NoError(t, err)
	m, err := Decode(data)
	require.NoError(t, err)
	require.Equal(t, uint64(9), m.Index)
	require.Equal(t, warehouse.Micros(42), m.At)
	require.Equal(t, time.Hour, m.State.View().Retention("acme"))
}
