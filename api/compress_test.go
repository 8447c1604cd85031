package api

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
)

// numbers is text that compresses somewhat.
func numbers(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 1))
	var b []byte
	for len(b) < n {
		b = strconv.AppendInt(b, rng.Int64N(1000)*1000, 10)
	}
	return b[:n]
}

// TestCompressor: messages of all sizes through one compressor, in any order,
// come back; each at the level of its size.
func TestCompressor(t *testing.T) {
	t.Parallel()
	c := newCompressor()
	for _, size := range []int{0, 1, 300, bestTo, bestTo + 1, thoroughFrom - 1, thoroughFrom, thoroughTo, thoroughTo + 1, 5, 3 * thoroughTo, 0, thoroughFrom} {
		body := numbers(size)
		var out bytes.Buffer
		c.Reset(&out)
		_, err := io.Copy(c, bytes.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, c.Close())

		var want bytes.Buffer
		level := usualLevel
		switch {
		case size <= bestTo:
			level = bestLevel
		case size >= thoroughFrom && size <= thoroughTo:
			level = thoroughLevel
		}
		z, err := gzip.NewWriterLevel(&want, level)
		require.NoError(t, err)
		_, err = z.Write(body)
		require.NoError(t, err)
		require.NoError(t, z.Close())
		if size < thoroughFrom {
			require.Equal(t, want.Len(), out.Len(), "%d bytes", size)
		} else { // pieces are as good as the whole
			require.InEpsilon(t, want.Len(), out.Len(), 0.005, "%d bytes", size)
		}

		r, err := gzip.NewReader(&out)
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.True(t, bytes.Equal(body, got), "%d bytes", size)
	}

	c.Reset(io.Discard)
	require.NoError(t, c.Close(), "nothing written")
}
