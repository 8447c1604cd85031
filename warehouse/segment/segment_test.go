package segment

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

var update = flag.Bool("update", false, "rewrite the dump of the golden segment")

const (
	testHour = warehouse.Hour(488_888)
	cpuType  = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
)

var testSeries = warehouse.Series{
	ID:     -5,
	Type:   warehouse.ProfileType{Name: "process_cpu", SampleType: "cpu", SampleUnit: "nanoseconds", PeriodType: "cpu", PeriodUnit: "nanoseconds"},
	Labels: warehouse.LabelsOf("pod", "checkout-1", warehouse.LabelService, "checkout"),
}

var testStacks = []warehouse.Stacktrace{
	{ID: -7, Frames: []warehouse.Frame{
		{Function: "encode", SystemName: "main.encode", Filename: "main.go", Line: 12, StartLine: 10, Mapping: "checkout", BuildID: "b1", Inlined: true},
		{Function: "main", SystemName: "main.main", Filename: "main.go", Line: 3, StartLine: 1, Mapping: "checkout", BuildID: "b1"},
	}},
	{ID: 9, Frames: []warehouse.Frame{{Mapping: "libc.so.6", BuildID: "c2", Address: 0xffff_ffff_8100_0000}}},
}

// testSegment returns a segment's description, without sections, with one part
// for each tenant and hour given.
func testSegment(tenants ...warehouse.Tenant) *warehouse.Segment {
	seg := &warehouse.Segment{ID: ulid.MustParseStrict("01JZZZZZZZ0123456789ABCDEF"), Shard: 3}
	for i, tenant := range tenants {
		hour := testHour + warehouse.Hour(i)
		r := warehouse.TimeRange{From: hour.Start() + 1, To: hour.Start() + 2}
		seg.Parts = append(seg.Parts, warehouse.Part{
			Object: seg.ID, Shard: seg.Shard, Format: block.FormatVersion, Tenant: tenant, Hour: hour, Range: r,
			Datasets: []warehouse.Dataset{{Service: "checkout", Profiles: 2, Types: []warehouse.TypeStats{{Type: cpuType, Range: r, Rows: 3}}}},
		})
		seg.Profiles = append(seg.Profiles, warehouse.ProfileKey{Tenant: tenant, ID: warehouse.ProfileID{byte(i), 1}})
		seg.Epochs = append(seg.Epochs, warehouse.Epoch{Key: warehouse.PartitionKey{Tenant: tenant, Service: "checkout", Hour: hour}, Value: uint64(i)})
	}
	return seg
}

// build adds all four tables to every part.
func build(tb testing.TB, seg *warehouse.Segment) []byte {
	tb.Helper()
	b := NewBuilder(seg)
	for i := range seg.Parts {
		at := seg.Parts[i].Range.From
		runs := []block.Run{{Series: testSeries.ID, Time: at, Profile: warehouse.ProfileID{1}, N: 2}, {Series: testSeries.ID, Time: at + 1, Profile: warehouse.ProfileID{2}, N: 1}}
		samples := block.SamplesRecord(block.Dicts{Services: []string{"checkout"}, Types: []string{cpuType}}, runs,
			[]warehouse.StacktraceID{-7, 9, 9}, []int64{10, 20, 30}, []warehouse.SpanID{0, 0xabc, 0}, nil)
		profiles := block.ProfilesRecord([]block.ProfileRow{
			{Time: at, Service: "checkout", Type: cpuType, Series: testSeries.ID, ID: warehouse.ProfileID{1}, Period: 10, Value: 30, Samples: 2, Received: at + 5},
			{Time: at + 1, Service: "checkout", Type: cpuType, Series: testSeries.ID, ID: warehouse.ProfileID{2}, Period: 10, Value: 30, Samples: 1, Received: at + 5, Flags: int32(warehouse.DepthCut)},
		})
		series, stacks := block.SeriesRecord([]warehouse.Series{testSeries}), block.StacktracesRecord(testStacks)
		require.NoError(tb, b.Encode(i, warehouse.TableSamples, samples))
		require.NoError(tb, b.Encode(i, warehouse.TableProfiles, profiles))
		require.NoError(tb, b.Encode(i, warehouse.TableSeries, series))
		parquet, err := block.AppendParquet(nil, warehouse.TableStacktraces, stacks)
		require.NoError(tb, err)
		b.Section(i, warehouse.TableStacktraces, stacks.NumRows(), parquet)
		for _, rec := range []interface{ Release() }{samples, profiles, series, stacks} {
			rec.Release()
		}
	}
	data, err := b.Finish()
	require.NoError(tb, err)
	return data
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 40} {
		t.Run(fmt.Sprintf("parts=%d", n), func(t *testing.T) {
			t.Parallel()
			var tenants []warehouse.Tenant
			for i := range n {
				tenants = append(tenants, warehouse.Tenant(fmt.Sprintf("tenant-%02d", i)))
			}
			seg := testSegment(tenants...)
			data := build(t, seg)
			got, err := Decode(data)
			require.NoError(t, err)
			require.Equal(t, seg, got)
			require.Equal(t, int64(len(data)), got.Size)
			require.NoError(t, Check(data))
			for i := range got.Parts {
				require.Len(t, got.Parts[i].Sections, 4)
				checkRows(t, data, &got.Parts[i])
			}
		})
	}
}

// checkRows reads the tables that build adds to a part.
func checkRows(t *testing.T, data []byte, p *warehouse.Part) {
	t.Helper()
	read := func(table warehouse.Table) []byte {
		section, err := Section(data, p, table)
		require.NoError(t, err)
		return section
	}
	var samples []string
	require.NoError(t, block.ReadSamples(read(warehouse.TableSamples), func(r block.SampleRow) error {
		require.Equal(t, "checkout", r.Service)
		require.Equal(t, cpuType, r.Type)
		samples = append(samples, fmt.Sprintf("%d %d %d %d %d span %s", r.Time-p.Range.From, r.Series, r.Profile[0], r.Stacktrace, r.Value, r.Span))
		return nil
	}))
	require.Equal(t, []string{"0 -5 1 -7 10 span ", "0 -5 1 9 20 span 0000000000000abc", "1 -5 2 9 30 span "}, samples)
	profiles := 0
	require.NoError(t, block.ReadProfiles(read(warehouse.TableProfiles), func(r block.ProfileRow) error {
		require.Equal(t, int64(30), r.Value)
		profiles++
		return nil
	}))
	require.Equal(t, 2, profiles)
	require.NoError(t, block.ReadSeries(read(warehouse.TableSeries), func(s warehouse.Series) error {
		require.Equal(t, testSeries, s)
		return nil
	}))
	var stacks []warehouse.Stacktrace
	require.NoError(t, block.ReadStacktraces(read(warehouse.TableStacktraces), func(s warehouse.Stacktrace) error {
		s.Frames = slices.Clone(s.Frames)
		stacks = append(stacks, s)
		return nil
	}))
	require.Equal(t, testStacks, stacks)
}

// TestGolden opens a segment that was stored by the first version. The file is
// never written again; -update rewrites only the dump of it.
func TestGolden(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/v1.seg")
	require.NoError(t, err)
	seg, err := Decode(data)
	require.NoError(t, err)
	require.NoError(t, Check(data))
	require.Equal(t, []warehouse.Tenant{"acme", "anonymous"}, []warehouse.Tenant{seg.Parts[0].Tenant, seg.Parts[1].Tenant})
	for i := range seg.Parts {
		checkRows(t, data, &seg.Parts[i])
	}
	want := testSegment("acme", "anonymous")
	require.Equal(t, want.Profiles, seg.Profiles)
	require.Equal(t, want.Epochs, seg.Epochs)

	var dump bytes.Buffer
	require.NoError(t, Dump(&dump, data))
	if *update {
		require.NoError(t, os.WriteFile("testdata/v1.txt", dump.Bytes(), 0o600))
	}
	text, err := os.ReadFile("testdata/v1.txt")
	require.NoError(t, err)
	require.Equal(t, string(text), dump.String())
}

// TestEveryByteIsCovered flips bits everywhere: Check finds each, and Decode
// those in the footer.
func TestEveryByteIsCovered(t *testing.T) {
	t.Parallel()
	data := build(t, testSegment("acme"))
	n, err := FooterSize(data, int64(len(data)))
	require.NoError(t, err)
	footer := len(data) - int(n)
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 1 << (i % 8)
		err := Check(bad)
		require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), "byte %d: %v", i, err)
		if _, err := Decode(bad); i >= footer {
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), "byte %d: %v", i, err)
		}
	}
	for i := range data {
		_, err := Decode(data[:i])
		require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), "cut at %d: %v", i, err)
	}
}

func TestDecodeFooterInTwoReads(t *testing.T) {
	t.Parallel()
	seg := testSegment("acme", "anonymous")
	data := build(t, seg)
	size := int64(len(data))
	n, err := FooterSize(data[size-TailSize:], size)
	require.NoError(t, err)
	got, err := DecodeFooter(data[size-n:], size)
	require.NoError(t, err)
	require.Equal(t, seg, got)
	_, err = DecodeFooter(data[size-n+1:], size)
	require.Equal(t, warehouse.Invalid, warehouse.KindOf(err), "%v", err)
}

// reseal makes the checksum of an altered footer or tail right again.
func reseal(data []byte) []byte {
	n := int(binary.LittleEndian.Uint32(data[len(data)-16:])) + TailSize
	binary.LittleEndian.PutUint32(data[len(data)-8:], Checksum(data[len(data)-n:len(data)-8]))
	return data
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	data := build(t, testSegment("acme"))
	tail := len(data) - TailSize
	alter := func(change func(seg *warehouse.Segment)) []byte {
		seg := testSegment("acme")
		built := build(t, seg)
		n, err := FooterSize(built, int64(len(built)))
		require.NoError(t, err)
		change(seg)
		footer := warehouse.AppendSegment(nil, seg)
		out := append(bytes.Clone(built[:len(built)-int(n)]), footer...)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(footer)))
		out = append(out, built[tail+4:]...)
		return reseal(out)
	}
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "0 bytes of 0 are no segment"},
		{"newer version", reseal(append(bytes.Clone(data[:tail+4]), append([]byte{2, 0, 0, 0}, data[tail+8:]...)...)), "version 2 is newer than 1"},
		{"version 0", reseal(append(bytes.Clone(data[:tail+4]), append([]byte{0, 0, 0, 0}, data[tail+8:]...)...)), "version is 0"},
		{"footer longer than the object", append(bytes.Clone(data[:tail]), append([]byte{255, 255, 255, 127}, data[tail+4:]...)...), "footer of 2147483647 bytes"},
		{"other size", alter(func(s *warehouse.Segment) { s.Size += 8 }), "the object has"},
		{"section in the footer", alter(func(s *warehouse.Segment) { s.Parts[0].Sections[3].Size += 16 }), "ends behind the footer's start"},
		{"section not aligned", alter(func(s *warehouse.Segment) { s.Parts[0].Sections[3].Offset++; s.Parts[0].Sections[3].Size-- }), "is not aligned"},
		{"no parts", alter(func(s *warehouse.Segment) { s.Parts = nil }), "it has no parts"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Decode(tt.data)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(Dump(&strings.Builder{}, tt.data)))
		})
	}
	checks := []struct {
		name   string
		change func(s *warehouse.Segment)
		want   string
	}{
		{"other rows", func(s *warehouse.Segment) { s.Parts[0].Sections[0].Rows++ }, "has 3 rows, want 4"},
		{"other table", func(s *warehouse.Segment) { s.Parts[0].Sections[0].Table = warehouse.TableStackTotals }, `of table "samples"`},
		{"bytes of nobody", func(s *warehouse.Segment) { s.Parts[0].Sections = s.Parts[0].Sections[1:] }, "belong to no section"},
		{"other range", func(s *warehouse.Segment) { s.Parts[0].Range.To += 7 }, "the description says times"},
		{"other service", func(s *warehouse.Segment) { s.Parts[0].Datasets[0].Service = "basket" }, "a dataset is described as"},
		{"other profiles", func(s *warehouse.Segment) { s.Parts[0].Datasets[0].Profiles = 3 }, "a dataset is described as"},
		{"other rows of a type", func(s *warehouse.Segment) { s.Parts[0].Datasets[0].Types[0].Rows = 2 }, "a dataset is described as"},
		{"a dataset more", func(s *warehouse.Segment) {
			s.Parts[0].Datasets = append(s.Parts[0].Datasets, warehouse.Dataset{Service: "zebra"})
		}, "the description has 2 datasets, the rows 1"},
		{"overlap", func(s *warehouse.Segment) {
			s.Parts[0].Sections = append(s.Parts[0].Sections, s.Parts[0].Sections[0])
			s.Parts[0].Sections[4].Table = warehouse.TableStackTotals
		}, "overlaps"},
	}
	for _, tt := range checks {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := Check(alter(func(s *warehouse.Segment) {
				tt.change(s)
				// A footer of another length makes an object of another size.
				for range 3 {
					n := int64(len(warehouse.AppendSegment(nil, s)))
					full, _ := FooterSize(data, int64(len(data)))
					s.Size = int64(len(data)) - full + n + TailSize
				}
			}))
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
		})
	}
}

func TestSectionRefuses(t *testing.T) {
	t.Parallel()
	seg := testSegment("acme")
	data := build(t, seg)
	p := &seg.Parts[0]
	_, err := Section(data, p, warehouse.TableStackTotals)
	require.Equal(t, warehouse.NotFound, warehouse.KindOf(err))
	_, err = Section(data[:100], p, warehouse.TableStacktraces)
	require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
	data[p.Sections[1].Offset]++
	_, err = Section(data, p, warehouse.TableProfiles)
	require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
}

func TestBuilderRefuses(t *testing.T) {
	t.Parallel()
	seg := testSegment("acme")
	b := NewBuilder(seg)
	series := block.SeriesRecord([]warehouse.Series{testSeries})
	defer series.Release()
	require.NoError(t, b.Encode(0, warehouse.TableSeries, series))
	before := b.Size()
	require.Equal(t, warehouse.Invalid, warehouse.KindOf(b.Encode(0, warehouse.TableSamples, series)))
	require.Equal(t, before, b.Size())
	data, err := b.Finish()
	require.NoError(t, err)
	_, err = Decode(data)
	require.NoError(t, err)
	require.ErrorContains(t, Check(data), "the rows have", "a part without profiles")

	_, err = NewBuilder(&warehouse.Segment{ID: seg.ID}).Finish()
	require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
}

// FuzzDecode: any bytes are a segment or a Corrupt error; what is a segment can
// be dumped, checked and cut without a panic. The fuzzer's bytes are sealed
// first, so that it reaches what lies behind the checksum.
func FuzzDecode(f *testing.F) {
	golden, err := os.ReadFile("testdata/v1.seg")
	require.NoError(f, err)
	f.Add(golden, false)
	f.Add(build(f, testSegment("acme")), true)
	f.Add([]byte(magic), false)
	f.Add(append(make([]byte, 12), magic...), true)
	f.Fuzz(func(t *testing.T, data []byte, seal bool) {
		if seal && len(data) >= TailSize {
			if n := uint64(binary.LittleEndian.Uint32(data[len(data)-16:])); n+TailSize <= uint64(len(data)) {
				data = reseal(bytes.Clone(data))
			}
		}
		seg, err := Decode(data)
		checkErr := Check(data)
		if err != nil {
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), "%v", err)
			require.Equal(t, err.Error(), checkErr.Error())
			return
		}
		if checkErr != nil {
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(checkErr), "%v", checkErr)
		}
		require.NoError(t, Dump(&strings.Builder{}, data))
		for i := range seg.Parts {
			for _, s := range seg.Parts[i].Sections {
				if _, err := Section(data, &seg.Parts[i], s.Table); err != nil {
					require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), "%v", err)
				}
			}
		}
	})
}
