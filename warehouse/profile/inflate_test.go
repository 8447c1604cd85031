package profile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func zip(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	require.NoError(t, err)
	_, err = w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// withSize returns the gzip stream with another size in its trailer.
func withSize(zipped []byte, size uint32) []byte {
	out := bytes.Clone(zipped)
	binary.LittleEndian.PutUint32(out[len(out)-4:], size)
	return out
}

func TestInflate(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat("a profile ", 1000))
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	tests := []struct {
		name string
		body []byte
		want []byte
	}{
		{"plain", []byte{0x0a, 0x02}, []byte{0x0a, 0x02}},
		{"empty", nil, nil},
		{"gzip", zip(t, text), text},
		{"gzip of nothing", zip(t, nil), nil},
		{"gzip of noise", zip(t, noise), noise},
		{"two members", append(zip(t, text), zip(t, noise)...), append(bytes.Clone(text), noise...)},
		{"a member of nothing last", append(zip(t, text), zip(t, nil)...), text},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Inflate([]byte("before"), tt.body, 1<<20)
			require.NoError(t, err)
			assert.Equal(t, "before"+string(tt.want), string(got))

			got, err = Inflate(nil, tt.body, int64(len(tt.want)))
			require.NoError(t, err, "a body of exactly the limit")
			assert.Equal(t, string(tt.want), string(got))

			if len(tt.want) > 0 {
				got, err = Inflate([]byte("before"), tt.body, int64(len(tt.want))-1)
				require.Error(t, err, "a body of one byte more than the limit")
				assert.Equal(t, warehouse.ReasonProfileSize, warehouse.ReasonOf(err))
				assert.Equal(t, "before", string(got))
			}
		})
	}
}

func TestInflateRefuses(t *testing.T) {
	t.Parallel()
	zipped := zip(t, []byte(strings.Repeat("a profile ", 1000)))
	flipped := bytes.Clone(zipped)
	flipped[len(flipped)-8] ^= 1 // of the CRC
	tests := []struct {
		name string
		body []byte
	}{
		{"magic only", zipped[:2]},
		{"half a header", zipped[:5]},
		{"header only", zipped[:10]},
		{"half", zipped[:len(zipped)/2]},
		{"no trailer", zipped[:len(zipped)-8]},
		{"half a trailer", zipped[:len(zipped)-3]},
		{"garbage behind", append(bytes.Clone(zipped), "garbage behind the end"...)},
		{"zeros behind", append(bytes.Clone(zipped), make([]byte, 20)...)},
		{"half a member behind", append(bytes.Clone(zipped), zipped[:len(zipped)/2]...)},
		{"wrong checksum", flipped},
		{"size too small", withSize(zipped, 3)},
		{"size too large", withSize(zipped, 1<<32-1)},
		{"unknown method", append([]byte{0x1f, 0x8b, 9}, zipped[3:]...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Inflate([]byte("before"), tt.body, 1<<20)
			require.Error(t, err)
			assert.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
			assert.Equal(t, warehouse.ReasonMalformedProfile, warehouse.ReasonOf(err))
			assert.Equal(t, "before", string(got))
		})
	}
}

// A bomb is refused at the limit, and a lie in the trailer buys no memory.
func TestInflateMemoryIsBounded(t *testing.T) {
	t.Parallel()
	bomb := zip(t, make([]byte, 8<<20))
	got, err := Inflate(nil, bomb, 1<<18)
	require.Error(t, err)
	assert.Equal(t, warehouse.ReasonProfileSize, warehouse.ReasonOf(err))
	assert.LessOrEqual(t, cap(got), 2<<18)

	liar := withSize(zip(t, []byte("x")), 1<<31)
	_, err = Inflate(nil, liar, 1<<30)
	require.Error(t, err)
}

func FuzzInflate(f *testing.F) {
	text := []byte(strings.Repeat("a profile ", 100))
	f.Add(text)
	f.Add(zip(f, text))
	f.Add(zip(f, nil))
	f.Add(append(zip(f, text), zip(f, text)...))
	f.Add(zip(f, text)[:20])
	f.Add(withSize(zip(f, text), 1<<31))
	f.Fuzz(func(t *testing.T, body []byte) {
		const limit = 1 << 16
		got, err := Inflate(nil, body, limit)
		if err != nil {
			assert.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
			assert.Empty(t, got)
			return
		}
		require.LessOrEqual(t, len(got), limit)
		again, err := Inflate(nil, zip(t, got), limit)
		require.NoError(t, err)
		require.True(t, bytes.Equal(got, again))
	})
}
