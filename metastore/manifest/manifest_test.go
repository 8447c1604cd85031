package manifest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// stateAt returns a state with a tenant, at an index.
func stateAt(t testing.TB, index uint64) *state.State {
	s := state.New()
	_, err := s.Apply(index, state.Append(nil, 7, state.SetRetention{Tenant: "acme", Retention: time.Hour}))
	require.NoError(t, err)
	return s
}

func encoded(t testing.TB, index uint64) []byte {
	data, err := Encode(stateAt(t, index).View(), 42)
	require.NoError(t, err)
	return data
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	m, err := Decode(encoded(t, 9))
	require.NoError(t, err)
	require.Equal(t, uint64(9), m.Index)
	require.Equal(t, warehouse.Micros(42), m.At)
	require.Equal(t, stateAt(t, 9).View().Digest(), m.State.View().Digest())
}

// Every byte counts: whatever is changed, cut off or added is seen.
func TestDamage(t *testing.T) {
	t.Parallel()
	good := encoded(t, 9)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 4
		_, err := Decode(bad)
		require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), "byte %d", i)
		_, err = Decode(good[:i])
		require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), "cut at %d", i)
	}
	_, err := Decode(append(bytes.Clone(good), 0))
	require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
	_, err = Decode(reseal(append(bytes.Clone(good[:4]), append([]byte{2, 0, 0, 0}, good[8:]...)...)))
	require.ErrorContains(t, err, "version 2, this program reads 1 to 1")
}

// reseal gives changed bytes their right checksum.
func reseal(data []byte) []byte {
	body := data[:len(data)-tailBytes]
	return binary.LittleEndian.AppendUint32(body[:len(body):len(body)], crc32.Checksum(body, castagnoli))
}

func TestNames(t *testing.T) {
	t.Parallel()
	require.Equal(t, "meta/manifest-00000000000000001234", Name(1234))
	for _, index := range []uint64{0, 1, 1 << 63, 1<<64 - 1} {
		got, ok := ParseName(Name(index))
		require.True(t, ok)
		require.Equal(t, index, got)
	}
	for _, name := range []string{"", "meta/manifest-1", "manifest-00000000000000001234", Name(1) + "x", "meta/manifest-99999999999999999999"} {
		_, ok := ParseName(name)
		require.False(t, ok, name)
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	ctx, b := t.Context(), object.NewMemory()
	m, damaged, err := Newest(ctx, b)
	require.NoError(t, err)
	require.Nil(t, m)
	require.Empty(t, damaged)
	for _, index := range []uint64{2, 9, 100, 11, 10} {
		_, err := Write(ctx, b, stateAt(t, index).View(), 1)
		require.NoError(t, err)
	}
	require.NoError(t, b.Put(ctx, Prefix+"other", nil))
	require.NoError(t, Prune(ctx, b))
	refs, err := List(ctx, b)
	require.NoError(t, err)
	require.Len(t, refs, Kept)
	require.Equal(t, uint64(100), refs[0].Index)
	require.Equal(t, uint64(10), refs[2].Index)

	require.NoError(t, b.Put(ctx, Name(100), encoded(t, 99)), "it is of another index than its name")
	m, damaged, err = Newest(ctx, b)
	require.NoError(t, err)
	require.Equal(t, uint64(11), m.Index)
	require.Len(t, damaged, 1)
	require.ErrorContains(t, damaged[0], Name(100))
}

// Bytes with a right checksum: decoding never panics, and a manifest has one form.
func FuzzDecode(f *testing.F) {
	f.Add(encoded(f, 9))
	f.Add(encoded(f, 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = Decode(data)
		if len(data) < headerBytes+tailBytes {
			return
		}
		data = reseal(data)
		m, err := Decode(data)
		if err != nil {
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
			return
		}
		again, err := Encode(m.State.View(), m.At)
		require.NoError(t, err)
		back, err := Decode(again)
		require.NoError(t, err)
		require.Equal(t, m.State.View().Digest(), back.State.View().Digest())
	})
}
