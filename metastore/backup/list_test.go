package backup

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func exampleList() *List {
	return &List{Index: 41, At: 1_772_361_492_514_000, Manifest: "meta/manifest-00000000000000000041", Files: []File{
		{"segments/0/b.seg", 5, 0xabc}, {"meta/manifest-00000000000000000041", 7, 1}, {"blocks/it's (a) tenant/x", 0, 0},
	}}
}

func TestListRoundTrip(t *testing.T) {
	t.Parallel()
	l := exampleList()
	data := l.Encode()
	golden, err := os.ReadFile("testdata/v1.BACKUP") // never written again
	require.NoError(t, err)
	require.Equal(t, string(golden), string(data))
	got, err := DecodeList(data)
	require.NoError(t, err)
	require.Equal(t, l, got)
	require.EqualValues(t, 12, got.Bytes())
}

// Whatever is changed, cut off or added is seen.
func TestDamagedList(t *testing.T) {
	t.Parallel()
	good := exampleList().Encode()
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		_, err := DecodeList(bad)
		require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), "byte %d", i)
		_, err = DecodeList(good[:i])
		require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), "cut at %d", i)
	}
	for what, text := range map[string]string{
		"version 2, this program reads 1 to 1": strings.Replace(string(good), "backup 1", "backup 2", 1),
		"bytes behind the end":                 string(good) + "x\n",
		`want "stackhouse backup"`:             "\n" + string(good),
	} {
		_, err := DecodeList([]byte(text))
		require.ErrorContains(t, err, what)
	}
}

// A list has one form.
func FuzzDecodeList(f *testing.F) {
	f.Add(exampleList().Encode())
	f.Add((&List{}).Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = DecodeList(data)
		if i := bytes.LastIndex(data, []byte("end ")); i >= 0 { // with a right checksum
			data = fmt.Appendf(data[:i:i], "end %08x\n", crc32.Checksum(data[:i], castagnoli))
		}
		l, err := DecodeList(data)
		if err != nil {
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
			return
		}
		require.Equal(t, string(data), string(l.Encode()))
	})
}
