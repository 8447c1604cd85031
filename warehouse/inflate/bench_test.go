package inflate

import (
	"bytes"
	stdgzip "compress/gzip"
	"io"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
)

// BenchmarkGzip compares with readers that are reused, of bytes like a profile's:
// varints and text. MB/s are of unpacked bytes. The workload's own profiles are
// BenchmarkInflate of warehouse/profile.
//
//	go test ./warehouse/inflate -run '^$' -bench Gzip -count 10
func BenchmarkGzip(b *testing.B) {
	all := samples()
	data := bytes.Join([][]byte{all["varints"], all["text"], all["few"][:20_000]}, nil)
	zipped := zip(b, 1, data)
	b.Run("inflate", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		var d Decoder
		var out []byte
		for b.Loop() {
			var err error
			out, err = d.Gzip(out[:0], zipped, 1<<20)
			require.NoError(b, err)
		}
	})
	type resetter interface {
		io.Reader
		Reset(r io.Reader) error
	}
	for name, z := range map[string]resetter{"klauspost": new(gzip.Reader), "compress": new(stdgzip.Reader)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			var out bytes.Buffer
			for b.Loop() {
				out.Reset()
				require.NoError(b, z.Reset(bytes.NewReader(zipped)))
				_, err := out.ReadFrom(z)
				require.NoError(b, err)
			}
		})
	}
}
