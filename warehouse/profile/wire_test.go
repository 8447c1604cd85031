package profile

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The writers of a few protobuf bytes by hand, right or wrong.

func pbVarint(num int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(num)<<3), v)
}

func pbBytes(num int, parts ...[]byte) []byte {
	var body []byte
	for _, p := range parts {
		body = append(body, p...)
	}
	out := binary.AppendUvarint(nil, uint64(num)<<3|2)
	return append(binary.AppendUvarint(out, uint64(len(body))), body...)
}

func pbString(s string) []byte { return pbBytes(profileStringTable, []byte(s)) }

func pbPacked(num int, vs ...uint64) []byte {
	var body []byte
	for _, v := range vs {
		body = binary.AppendUvarint(body, v)
	}
	return pbBytes(num, body)
}

func pbJoin(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func TestUvarint(t *testing.T) {
	t.Parallel()
	for _, v := range []uint64{0, 1, 127, 128, 300, 1<<35 - 1, math.MaxInt64, math.MaxUint64} {
		b := append([]byte{0xff}, binary.AppendUvarint(nil, v)...)
		got, next := uvarint(b, 1)
		assert.Equal(t, v, got)
		assert.Equal(t, len(b), next)
		for cut := 1; cut < len(b); cut++ {
			_, next := uvarint(b[:cut], 1)
			assert.Negative(t, next, "%d cut to %d bytes", v, cut)
		}
	}
	for name, b := range map[string][]byte{
		"eleven bytes":         {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00},
		"more than 64 bits":    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},
		"never ends, 10 bytes": {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		_, next := uvarint(b, 0)
		assert.Negative(t, next, name)
	}
}

func TestFields(t *testing.T) {
	t.Parallel()
	b := pbJoin(
		pbVarint(1, 300),
		[]byte{2<<3 | 1, 1, 2, 3, 4, 5, 6, 7, 8}, // fixed64
		[]byte{3<<3 | 5, 1, 2, 3, 4},             // fixed32
		pbBytes(1<<29-1, []byte("abc")),
	)
	f := fields{b: b}
	require.True(t, f.next())
	assert.EqualValues(t, 1, f.num)
	assert.EqualValues(t, 300, f.varint())
	require.True(t, f.next())
	assert.Equal(t, wireFixed64, f.typ)
	require.True(t, f.next())
	assert.Equal(t, wireFixed32, f.typ)
	require.True(t, f.next())
	require.True(t, f.message())
	assert.EqualValues(t, 1<<29-1, f.num)
	assert.Equal(t, "abc", string(b[f.start:f.end]))
	assert.False(t, f.next())
	assert.Empty(t, f.bad)
}

func TestFieldsRefuse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		b    []byte
		want string
	}{
		{"tag cut short", []byte{0x80}, "tag is cut short"},
		{"field number 0", []byte{0x00, 0x01}, "field number is out of range"},
		{"field number of 30 bits", binary.AppendUvarint(nil, 1<<32), "field number is out of range"},
		{"varint cut short", []byte{1 << 3, 0x80}, "varint is cut short or too long"},
		{"no varint", []byte{1 << 3}, "varint is cut short or too long"},
		{"length over the end", []byte{1<<3 | 2, 2, 'a'}, "field is longer than its message"},
		{"length of 64 bits", append([]byte{1<<3 | 2}, binary.AppendUvarint(nil, math.MaxUint64)...), "field is longer than its message"},
		{"fixed64 cut short", []byte{1<<3 | 1, 1, 2, 3}, "field is longer than its message"},
		{"fixed32 cut short", []byte{1<<3 | 5, 1}, "field is longer than its message"},
		{"group", []byte{1<<3 | 3}, "wire type is unknown"},
		{"wire type 7", []byte{1<<3 | 7}, "wire type is unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := fields{b: tt.b}
			assert.False(t, f.next())
			assert.Equal(t, tt.want, f.bad)
			assert.False(t, f.next(), "it stays at what it cannot read")
		})
	}
}
