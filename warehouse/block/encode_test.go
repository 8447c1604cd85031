package block

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHybridBytes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		values []uint32
		width  int
		want   []byte
	}{
		{"nothing", nil, 8, nil},
		{"run", []uint32{5, 5, 5, 5, 5, 5, 5, 5}, 8, []byte{16, 5}},
		{"literal, filled up", []uint32{1, 2, 3}, 8, []byte{3, 1, 2, 3, 0, 0, 0, 0, 0}},
		{"run after a literal that it completes", []uint32{1, 2, 3, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7}, 8, []byte{3, 1, 2, 3, 7, 7, 7, 7, 7, 16, 7}},
		{"two bytes", []uint32{258, 258, 258, 258, 258, 258, 258, 258}, 16, []byte{16, 2, 1}},
		{"bits", []uint32{1, 0, 1, 1}, 1, []byte{3, 0b1101}},
		{"three bytes", []uint32{1 << 16}, 24, append([]byte{3, 0, 0, 1}, make([]byte, 21)...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := appendHybrid(nil, tt.values, tt.width)
			require.Equal(t, tt.want, got)
			back, err := appendHybridOf[uint32](nil, got, len(tt.values), tt.width)
			require.NoError(t, err)
			require.Equal(t, tt.values, back)
		})
	}
}

// TestHybridRoundTrip tries runs and literals of every length around 8.
func TestHybridRoundTrip(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	for range 5000 {
		var values []uint32
		for range rng.IntN(12) {
			v := rng.Uint32N(2)
			for range 1 + rng.IntN(20) {
				if rng.IntN(3) == 0 {
					v = rng.Uint32N(2)
				}
				values = append(values, v)
			}
		}
		for _, width := range []int{1, 8, 16, 24, 32} {
			data := appendHybrid(nil, values, width)
			back, err := appendHybridOf[uint32](nil, data, len(values), width)
			require.NoError(t, err)
			require.Equal(t, values, back)
		}
	}
}

// FuzzHybrid: what decodes has as many values as asked for; nothing panics.
func FuzzHybrid(f *testing.F) {
	f.Add([]byte{16, 5}, 8, 8)
	f.Add([]byte{3, 0b1101}, 4, 1)
	f.Add(binary.AppendUvarint(nil, 1<<62), 10, 32)
	f.Fuzz(func(t *testing.T, data []byte, n, width int) {
		if n < 0 || n > 1<<16 {
			return
		}
		values, err := appendHybridOf[uint32](nil, data, n, width)
		if err == nil && len(values) != n {
			t.Fatalf("%d values, want %d", len(values), n)
		}
		if _, err := appendHybridOf[level](nil, data, n, 1); err != nil {
			return
		}
	})
}

func TestIntTable(t *testing.T) {
	t.Parallel()
	var table intTable
	rng := rand.New(rand.NewPCG(2, 2))
	for round := range 3 {
		table.reset()
		known := map[int64]uint32{}
		for range 20_000 {
			v := int64(rng.IntN(5000)) << (16 * round)
			index := table.index(v)
			if want, ok := known[v]; ok {
				require.Equal(t, want, index)
				continue
			}
			require.Equal(t, uint32(len(known)), index)
			known[v] = index
		}
	}
}
