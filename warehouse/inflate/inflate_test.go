package inflate

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// samples are bytes of many kinds: what compresses well, badly, in literals only, in
// matches of every distance, and so on.
func samples() map[string][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	few := make([]byte, 100_000) // codes of very different lengths
	for i := range few {
		few[i] = byte(rng.ExpFloat64() * 3)
	}
	varints := binary.AppendUvarint(nil, 7)
	for range 40_000 {
		varints = binary.AppendUvarint(varints, rng.Uint64N(1<<rng.IntN(20)))
	}
	var runs, far []byte
	for len(runs) < 300_000 {
		runs = append(runs, bytes.Repeat(noise[rng.IntN(100):][:1+rng.IntN(12)], 1+rng.IntN(200))...)
	}
	for len(far) < 300_000 {
		far = append(far, noise[rng.IntN(32_000):][:3+rng.IntN(300)]...)
	}
	return map[string][]byte{
		"nothing":  nil,
		"one byte": {42},
		"zeros":    make([]byte, 1_000_000),
		"noise":    noise,
		"few":      few,
		"varints":  varints,
		"runs":     runs,
		"far":      far,
		"text":     []byte(strings.Repeat("github.com/stackhouse-db/stackhouse/warehouse.(*Decoder).careful\n", 3000)),
		"mixed":    bytes.Join([][]byte{noise[:70_000], few, varints, make([]byte, 70_000), noise[:50_000]}, nil),
	}
}

func zip(tb testing.TB, level int, data []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	require.NoError(tb, err)
	_, err = w.Write(data)
	require.NoError(tb, err)
	require.NoError(tb, w.Close())
	return b.Bytes()
}

func TestGzip(t *testing.T) {
	t.Parallel()
	var d Decoder // one for all: nothing of a stream may stay
	for name, data := range samples() {
		for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
			zipped := zip(t, level, data)
			out, err := d.Gzip([]byte("before"), zipped, len(data))
			require.NoError(t, err, "%s at level %d", name, level)
			require.Equal(t, "before", string(out[:6]))
			require.True(t, bytes.Equal(data, out[6:]), "%s at level %d: other bytes", name, level)

			if len(data) > 0 {
				_, err = d.Gzip(nil, zipped, len(data)-1)
				require.ErrorIs(t, err, ErrLimit, "%s at level %d", name, level)
			}
		}
	}
}

// TestMembers unpacks streams of several members, of which the trailer tells the
// last one's size only, and with every optional field of the header.
func TestMembers(t *testing.T) {
	t.Parallel()
	all := samples()
	var stream bytes.Buffer
	var want []byte
	for i, name := range []string{"varints", "nothing", "zeros", "far", "one byte"} {
		w := gzip.NewWriter(&stream)
		w.Name, w.Comment, w.Extra = "name", "comment", []byte("extra"[:i])
		_, err := w.Write(all[name])
		require.NoError(t, err)
		require.NoError(t, w.Close())
		want = append(want, all[name]...)
	}
	var d Decoder
	out, err := d.Gzip(nil, stream.Bytes(), len(want))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want, out))
	assert.LessOrEqual(t, cap(out), 2*len(want)+slack, "room follows what is there")
	_, err = d.Gzip(nil, stream.Bytes(), len(want)-1)
	require.ErrorIs(t, err, ErrLimit)
}

func TestHeaderCRC(t *testing.T) {
	t.Parallel()
	zipped := zip(t, 6, []byte("data"))
	header := bytes.Clone(zipped[:headerSize])
	header[3] |= flagHeaderCRC
	sum := []byte{0, 0}
	binary.LittleEndian.PutUint16(sum, uint16(crc32.ChecksumIEEE(header)))
	stream := bytes.Join([][]byte{header, sum, zipped[headerSize:]}, nil)
	var d Decoder
	out, err := d.Gzip(nil, stream, 100)
	require.NoError(t, err)
	assert.Equal(t, "data", string(out))
	stream[headerSize]++
	_, err = d.Gzip(nil, stream, 100)
	require.ErrorAs(t, err, new(*CorruptError))
}

// TestDamage cuts a stream at every byte, flips each of its bits, and lets something
// follow it: each is an error.
func TestDamage(t *testing.T) {
	t.Parallel()
	all := samples()
	data := bytes.Join([][]byte{all["text"][:3000], all["varints"][:1000], all["noise"][:100]}, nil)
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, flate.BestCompression} {
		zipped := zip(t, level, data)
		var d Decoder
		spare := 0
		for n := range zipped {
			_, err := d.Gzip(nil, zipped[:n], 1<<20)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "level %d, %d of %d bytes", level, n, len(zipped))
		}
		for i := range 8 * len(zipped) {
			if i/8 >= 3 && i/8 < headerSize {
				continue // flags, time, level and system of the header: see TestMembers
			}
			bad := bytes.Clone(zipped)
			bad[i/8] ^= 1 << (i % 8)
			out, err := d.Gzip([]byte("x"), bad, 1<<20)
			if err == nil { // bits that fill up a byte mean nothing
				require.True(t, bytes.Equal(data, out[1:]), "level %d, bit %d of byte %d", level, i%8, i/8)
				spare++
				continue
			}
			require.Equal(t, "x", string(out))
		}
		require.LessOrEqual(t, spare, 14, "level %d", level)
		_, err := d.Gzip(nil, append(bytes.Clone(zipped), 0), 1<<20)
		require.ErrorAs(t, err, new(*CorruptError))
	}
}

// TestBomb: what a trailer claims costs nothing.
func TestBomb(t *testing.T) {
	t.Parallel()
	zipped := zip(t, 6, []byte("small"))
	binary.LittleEndian.PutUint32(zipped[len(zipped)-4:], 1<<31)
	var d Decoder
	_, err := d.Gzip(nil, zipped, 1<<30)
	require.ErrorAs(t, err, new(*CorruptError))
	assert.LessOrEqual(t, Room(zipped, 1<<30), 1032*len(zipped)+slack)
	assert.Equal(t, 100+slack, Room(zipped, 100))
}

// raw unpacks a deflate stream, and returns how many bytes of it were read.
func raw(src []byte, limit int) ([]byte, int, error) {
	d := &Decoder{src: src, limit: limit}
	err := d.deflate()
	return d.out[:d.o], d.pos, err
}

// FuzzDeflate compares with compress/flate: both accept a stream, with the same
// bytes and the same end, or both refuse it.
func FuzzDeflate(f *testing.F) {
	for _, data := range samples() {
		data = data[:min(len(data), 5000)]
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, flate.BestCompression} {
			zipped := zip(f, level, data)
			f.Add(zipped[headerSize : len(zipped)-trailerSize])
		}
	}
	for _, seed := range [][]byte{
		{0x4b, 0x04, 0x00},       // fixed codes
		{0x03, 0x00},             // nothing
		{0x4b, 0x4c, 0x02, 0x00}, // a match
		{0x01, 0x01, 0x00, 0xfe, 0xff, 0x21},
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		const limit = 1 << 20
		src := bytes.NewReader(stream)
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(src), limit+1))
		out, n, err := raw(stream, limit)
		switch {
		case len(want) > limit:
			require.Error(t, err)
		case wantErr != nil:
			require.Error(t, err) // which of several things is wrong is not compared
		default:
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, out), "other bytes")
			require.Equal(t, len(stream)-src.Len(), n, "the end of the stream")
		}
	})
}
