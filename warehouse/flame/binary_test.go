package flame

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func TestAppendBinary(t *testing.T) {
	t.Parallel()
	want := "\x00\x00\x01" + // root
		"\x01a\x02\x02" +
		"\x01b\x80\x01\x00" + // self 128
		"\x02no\x01\x00"
	tree := foldedTree(t, "a 2\na;no 1\na;b 128")
	assert.Equal(t, "prefix"+want, string(tree.AppendBinary([]byte("prefix"))))
	assert.Equal(t, "\x00\x00\x00", string(Empty().AppendBinary(nil)))
}

func TestDecodeTree(t *testing.T) {
	t.Parallel()
	long := binary.AppendUvarint(nil, math.MaxUint64)
	tests := []struct {
		name string
		data string
		want string // tree, or the error
		kind warehouse.Kind
	}{
		{"nothing there", "\x00\x00\x00", "total 0 0\n", 0},
		{"siblings in any order", "\x00\x00\x02\x01b\x01\x00\x01a\x02\x00", "total 0 3\n  a 2 2\n  b 1 1\n", 0},
		{"siblings of equal name", "\x00\x00\x02\x01a\x01\x01\x01x\x01\x00\x01a\x02\x01\x01x\x01\x00", "total 0 5\n  a 3 5\n    x 2 2\n", 0},
		{"nodes without value", "\x00\x00\x02\x01b\x00\x01\x01c\x00\x00\x01a\x02\x00", "total 0 2\n  a 2 2\n", 0},
		{"a function without name", "\x00\x01\x01\x00\x02\x00", "total 1 3\n   2 2\n", 0},
		{"no bytes", "", "offset 0: no name length", warehouse.Corrupt},
		{"cut in a name", "\x00\x00\x01\x05ab", "a name of 5 bytes in 2 bytes", warehouse.Corrupt},
		{"no self", "\x00", "offset 1: no self", warehouse.Corrupt},
		{"no children", "\x00\x00", "no number of children", warehouse.Corrupt},
		{"a child is missing", "\x00\x00\x02\x01b\x01\x00", "2 children in 4 bytes", warehouse.Corrupt},
		{"a child is missing after long names", "\x00\x00\x02\x04long\x01\x00", "offset 10: no name length", warehouse.Corrupt},
		{"more children than bytes", "\x00\x00" + string(long), "18446744073709551615 children in 0 bytes", warehouse.Corrupt},
		{"a name longer than an int", string(long), "in 0 bytes", warehouse.Corrupt},
		{"an endless varint", strings.Repeat("\xff", 20), "no name length", warehouse.Corrupt},
		{"bytes after the tree", "\x00\x00\x00\x00", "1 bytes after the tree", warehouse.Corrupt},
		{"a root with a name", "\x01r\x00\x00", `the root has the name "r"`, warehouse.Corrupt},
		{"self above int64", "\x00" + string(long) + "\x00", "total is above", warehouse.OutOfRange},
		{"too deep", "\x00\x00\x01" + strings.Repeat("\x00\x00\x01", MaxDecodeDepth) + "\x00\x01\x00", "depth is above", warehouse.Corrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tree, err := DecodeTree([]byte(tt.data))
			if tt.kind != 0 {
				require.ErrorContains(t, err, tt.want)
				assert.Equal(t, tt.kind, warehouse.KindOf(err))
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, tree.String())
			checkInvariants(t, tree)
		})
	}
}

// A tree as deep as is allowed costs time and memory in proportion.
func TestDecodeDeepestTree(t *testing.T) {
	t.Parallel()
	data := "\x00\x00\x01" + strings.Repeat("\x01f\x00\x01", MaxDecodeDepth-2) + "\x01f\x01\x00"
	tree, err := DecodeTree([]byte(data))
	require.NoError(t, err)
	assert.Equal(t, MaxDecodeDepth-1, tree.Size())
	assert.Len(t, tree.Flamebearer().Levels, MaxDecodeDepth)
	assert.Equal(t, 10+1, tree.Trim(10).Size())
	assert.Equal(t, data, string(tree.AppendBinary(nil)))
	assert.Contains(t, tree.Dot(1), "Showing 1 of 1")
}

func TestDecodeOwnsItsMemory(t *testing.T) {
	t.Parallel()
	data := foldedTree(t, "name 1").AppendBinary(nil)
	tree, err := DecodeTree(data)
	require.NoError(t, err)
	clear(data)
	assert.Equal(t, "total 0 1\n  name 1 1\n", tree.String())
}

func TestBinaryRoundTrip(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		tree := randomStacks(rng, 40).tree(t, rng)
		back, err := DecodeTree(tree.AppendBinary(nil))
		require.NoError(t, err)
		assert.True(t, tree.Equal(back))
	})
}

func FuzzDecodeTree(f *testing.F) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 3))
		f.Add(randomStacks(rng, 5).tree(f, rng).AppendBinary(nil))
	}
	f.Add([]byte("\x00\x00\x02\x01b\x01\x00\x01a\x02\x00"))
	f.Add([]byte("\x00\x00\x02\x01a\x01\x01\x01x\x01\x00\x01a\x02\x01\x01x\x01\x00"))
	f.Add([]byte("\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x01\x01a\x01\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := DecodeTree(data)
		if err != nil {
			if k := warehouse.KindOf(err); k != warehouse.Corrupt && k != warehouse.OutOfRange {
				t.Fatalf("kind %v: %v", k, err)
			}
			return
		}
		checkInvariants(t, tree)
		again := tree.AppendBinary(nil)
		back, err := DecodeTree(again)
		if err != nil || !tree.Equal(back) || !bytes.Equal(again, back.AppendBinary(nil)) {
			t.Fatalf("no round trip: %v\n%s", err, tree)
		}
		fb := tree.Flamebearer()
		if _, err := rebuild(fb.Names, fb.Levels, 1); err != nil {
			t.Fatal(err)
		}
		checkInvariants(t, tree.Trim(3))
		tree.Dot(2)
	})
}
