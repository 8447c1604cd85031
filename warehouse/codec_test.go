package warehouse

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sampleSegment is a small segment with everything in it once.
func sampleSegment() *Segment {
	id := ulid.MustParse("01HZY3Q9Q0000000000000000A")
	hour := Hour(480_000)
	span := TimeRange{From: hour.Start() + 5, To: hour.Start() + 1_000_005}
	cpu := "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
	part := func(tenant Tenant, offset int64) Part {
		return Part{
			Object: id, Shard: 3, Format: 1, Tenant: tenant, Hour: hour, Range: span,
			Datasets: []Dataset{
				{Service: "cart", Profiles: 2, Types: []TypeStats{{Type: cpu, Range: span, Rows: 100}}},
				{Service: "checkout", Profiles: 1, Types: []TypeStats{{Type: cpu, Range: TimeRange{From: span.From, To: span.From}}}},
			},
			Sections: []Section{
				{Table: TableSamples, Offset: offset, Size: 1000, Rows: 100, CRC: 0xdeadbeef},
				{Table: TableProfiles, Offset: offset + 1000, Size: 500, Rows: 3, CRC: 1},
			},
		}
	}
	return &Segment{
		ID: id, Shard: 3, Size: 4000,
		Parts:    []Part{part("acme", 0), part("globex", 1500)},
		Profiles: []ProfileKey{{"acme", ProfileID{1}}, {"acme", ProfileID{2}}, {"globex", ProfileID{1}}},
		Epochs:   []Epoch{{Key: PartitionKey{Tenant: "acme", Service: "cart", Hour: hour}, Value: 7}},
	}
}

// randomSegment is a segment of any shape, valid or not.
func randomSegment(r *rand.Rand) *Segment {
	s := &Segment{Shard: r.Uint32(), Size: r.Int64()}
	fillID(r, s.ID[:])
	words := []string{"", "a", "b", "service", "process_cpu:cpu:nanoseconds:cpu:nanoseconds", "ünï", "\x00\xff"}
	for i := range 30 {
		words = append(words, string(rune('A'+i)))
	}
	word := func() string { return words[r.IntN(len(words))] }
	span := func() TimeRange { return TimeRange{From: Micros(r.Uint64()), To: Micros(r.Uint64())} }
	for range r.IntN(4) {
		p := Part{
			Object: s.ID, Shard: s.Shard, Level: uint8(r.Uint32()), Format: uint16(r.Uint32()),
			Tenant: Tenant(word()), Hour: Hour(r.Uint64()), Range: span(),
		}
		if r.IntN(3) == 0 {
			fillID(r, p.Object[:])
		}
		for range r.IntN(4) {
			ds := Dataset{Service: word(), Profiles: r.Int64()}
			for range r.IntN(3) {
				ds.Types = append(ds.Types, TypeStats{Type: word(), Range: span(), Rows: r.Int64()})
			}
			p.Datasets = append(p.Datasets, ds)
		}
		for range r.IntN(3) {
			p.Sections = append(p.Sections, Section{
				Table: Table(r.Uint32()), Offset: r.Int64(), Size: r.Int64(), Rows: r.Int64(), CRC: r.Uint32(),
			})
		}
		s.Parts = append(s.Parts, p)
	}
	for range r.IntN(10) {
		k := ProfileKey{Tenant: Tenant(words[r.IntN(3)])}
		fillID(r, k.ID[:])
		s.Profiles = append(s.Profiles, k)
	}
	for range r.IntN(3) {
		key := PartitionKey{Tenant: Tenant(word()), Service: word(), Hour: Hour(r.Uint64())}
		s.Epochs = append(s.Epochs, Epoch{Key: key, Value: r.Uint64()})
	}
	return s
}

func fillID(r *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}

func TestSegmentCodecRoundTrip(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		want := randomSegment(r)
		data := AppendSegment(nil, want)
		got, err := DecodeSegment(data)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, data, AppendSegment(nil, got))

		for i := range want.Parts {
			p, err := DecodePart(AppendPart(nil, &want.Parts[i]))
			require.NoError(t, err)
			require.Equal(t, &want.Parts[i], p)
		}
	}
}

// The bytes are frozen: footers of stored segments hold them.
func TestSegmentCodecGolden(t *testing.T) {
	t.Parallel()
	const want = "01" + "018ffc3ba6e0000000000000000000" + "0a" + "03" + "a01f" + "02" + // id, shard, size, parts
		"00" + "00" + "01" + "000461636d65" + "80cc3a" + "0a" + "80897a" + // level, format, acme, hour, range
		"02" + // datasets
		"000463617274" + "02" + "01" + "002b70726f636573735f6370753a6370753a6e616e6f7365636f6e64733a6370753a6e616e6f7365636f6e6473" + "00" + "80897a" + "64" +
		"0008636865636b6f7574" + "01" + "01" + "03" + "00" + "00" + "00" +
		"02" + "01" + "00" + "e807" + "64" + "efbeadde" + "02" + "e807" + "f403" + "03" + "01000000" + // sections
		"00" + "00" + "01" + "0006676c6f626578" + "80cc3a" + "0a" + "80897a" +
		"02" + "02" + "02" + "01" + "03" + "00" + "80897a" + "64" + "04" + "01" + "01" + "03" + "00" + "00" + "00" +
		"02" + "01" + "dc0b" + "e807" + "64" + "efbeadde" + "02" + "c413" + "f403" + "03" + "01000000" +
		"02" + "01" + "02" + "01000000000000000000000000000000" + "02000000000000000000000000000000" +
		"05" + "01" + "01000000000000000000000000000000" +
		"01" + "01" + "02" + "80cc3a" + "07"
	assert.Equal(t, want, hex.EncodeToString(AppendSegment(nil, sampleSegment())))
}

func TestAppendSegmentKeepsPrefix(t *testing.T) {
	t.Parallel()
	s := sampleSegment()
	assert.Equal(t, append([]byte("prefix"), AppendSegment(nil, s)...), AppendSegment([]byte("prefix"), s))
}

func TestDecodeSegmentRefusesEveryCut(t *testing.T) {
	t.Parallel()
	data := AppendSegment(nil, sampleSegment())
	for n := range len(data) {
		_, err := DecodeSegment(data[:n])
		require.Equal(t, Corrupt, KindOf(err), "cut at %d: %v", n, err)
	}
	_, err := DecodeSegment(append(data, 0))
	assert.ErrorContains(t, err, "1 bytes after the end")
}

func TestDecodeSharesNothing(t *testing.T) {
	t.Parallel()
	data := AppendSegment(nil, sampleSegment())
	got, err := DecodeSegment(data)
	require.NoError(t, err)
	clear(data)
	assert.Equal(t, sampleSegment(), got)
}

func TestDecodeSegmentRefusesOtherForms(t *testing.T) {
	t.Parallel()
	head := append([]byte{1}, make([]byte, 16)...) // version, id
	build := func(fn func(e *Encoder)) []byte {
		e := NewEncoder(bytes.Clone(head))
		fn(e)
		return e.Bytes()
	}
	part := func(e *Encoder, tenant func()) {
		e.Byte(0) // level
		e.Uvarint(1)
		tenant()
		for range 3 {
			e.Varint(0)
		}
		e.Uvarint(0)
		e.Uvarint(0)
	}
	cases := []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "unexpected end"},
		{"version zero", []byte{0}, "format version is 0"},
		{"newer version", []byte{2}, "format version is 2, this build reads 1 to 1"},
		{"number longer than needed", append(bytes.Clone(head), 0x83, 0x00), "longer than needed"},
		{"number over 64 bits", append(bytes.Clone(head), bytes.Repeat([]byte{0xff}, 11)...), "over 64 bits"},
		{"shard over 32 bits", build(func(e *Encoder) { e.Uvarint(1 << 32) }), "over 4294967295"},
		{"negative size", build(func(e *Encoder) { e.Uvarint(0); e.Uvarint(math.MaxUint64) }), "over 9223372036854775807"},
		{"more parts than bytes", build(func(e *Encoder) { e.Uvarint(0); e.Uvarint(0); e.Uvarint(1 << 40) }), "cannot fit"},
		{"part repeats the segment's name", build(func(e *Encoder) {
			e.Uvarint(9)
			e.Uvarint(0)
			e.Uvarint(1)
			e.Bool(true)
			e.Raw(make([]byte, 16))
			e.Uvarint(9)
			part(e, func() { e.String("a") })
		}), "repeats the name"},
		{"bool of two", build(func(e *Encoder) {
			e.Uvarint(0)
			e.Uvarint(0)
			e.Uvarint(1)
			e.Byte(2)
			part(e, func() { e.String("a") })
		}), "not a bool"},
		{"string that was not there", build(func(e *Encoder) {
			e.Uvarint(0)
			e.Uvarint(0)
			e.Uvarint(1)
			e.Bool(false)
			part(e, func() { e.Uvarint(1) })
		}), "string 1 of 0"},
		{"string written out twice", build(func(e *Encoder) {
			e.Uvarint(0)
			e.Uvarint(0)
			e.Uvarint(2)
			for range 2 {
				e.Bool(false)
				part(e, func() { e.Raw([]byte{0, 1, 'a'}) })
			}
		}), "written out twice"},
		{"run of keys that is empty", build(func(e *Encoder) {
			e.Uvarint(0)
			e.Uvarint(0)
			e.Uvarint(0)
			e.Uvarint(1)
			e.String("a")
			e.Uvarint(0)
			e.Raw(make([]byte, 32))
		}), "run of profile ids"},
		{"run of keys that continues", build(func(e *Encoder) {
			e.Uvarint(0)
			e.Uvarint(0)
			e.Uvarint(0)
			e.Uvarint(2)
			for range 2 {
				e.String("a")
				e.Uvarint(1)
				e.Raw(make([]byte, 16))
			}
			e.Uvarint(0)
		}), "run of profile ids"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, err := DecodeSegment(tc.data)
			require.ErrorContains(t, err, tc.want)
			assert.Equal(t, Corrupt, KindOf(err))
			assert.Nil(t, s)
		})
	}
}

func FuzzDecodeSegment(f *testing.F) {
	f.Add([]byte{})
	f.Add(AppendSegment(nil, &Segment{}))
	f.Add(AppendSegment(nil, sampleSegment()))
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		f.Add(AppendSegment(nil, randomSegment(r)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeSegment(data)
		if err != nil {
			require.Equal(t, Corrupt, KindOf(err))
			return
		}
		_ = s.Validate() // must not panic on any content
		require.Equal(t, data, AppendSegment(nil, s), "a description has one form")
	})
}

func FuzzDecodePart(f *testing.F) {
	f.Add([]byte{})
	f.Add(AppendPart(nil, &sampleSegment().Parts[1]))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := DecodePart(data)
		if err != nil {
			require.Equal(t, Corrupt, KindOf(err))
			return
		}
		require.Equal(t, data, AppendPart(nil, p), "a description has one form")
	})
}

// go test ./warehouse -bench Codec -benchmem: a segment of 20 tenants with 20
// services of 4 types each and 2000 profiles.
func BenchmarkSegmentCodec(b *testing.B) {
	s := sampleSegment()
	base := s.Parts[0]
	s.Parts, s.Profiles = nil, nil
	for i := range 20 {
		p := base
		p.Tenant = Tenant("tenant-" + string(rune('a'+i)))
		p.Datasets = nil
		for j := range 20 {
			ds := Dataset{Service: "service-" + string(rune('a'+j)), Profiles: 5}
			for k := range 4 {
				ds.Types = append(ds.Types, TypeStats{Type: "process_cpu:cpu:nanoseconds:cpu:nanosecond" + string(rune('a'+k)), Range: p.Range, Rows: 9})
			}
			p.Datasets = append(p.Datasets, ds)
		}
		s.Parts = append(s.Parts, p)
		for j := range 100 {
			s.Profiles = append(s.Profiles, ProfileKey{p.Tenant, ProfileID{byte(i), byte(j)}})
		}
	}
	data := AppendSegment(nil, s)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			data = AppendSegment(data[:0], s)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := DecodeSegment(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
