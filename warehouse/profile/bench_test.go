package profile_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"testing"

	pprof "github.com/google/pprof/profile"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

// benchProfile is what a busy Go service sends every 15 s: 550 stacks of 10 to 50
// frames with long common beginnings, 900 functions, 2000 locations, two sample
// types; compressed as Go's runtime does.
func benchProfile(tb testing.TB) (zipped, plain []byte) {
	rng := rand.New(rand.NewPCG(1, 1))
	m := &pprof.Mapping{ID: 1, Start: 0x400000, Limit: 0x4000000, File: "/app/checkout", BuildID: "1f2e3d4c", HasFunctions: true}
	p := &pprof.Profile{
		SampleType: []*pprof.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &pprof.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 10_000_000,
		TimeNanos: received.UnixNano(), DurationNanos: 15e9, Mapping: []*pprof.Mapping{m},
	}
	for i := range 900 {
		name := fmt.Sprintf("github.com/acme/checkout/internal/pkg%d.(*Handler%d).Process%d", i%40, i%90, i)
		p.Function = append(p.Function, &pprof.Function{
			ID: uint64(i + 1), Name: name, SystemName: name,
			Filename: fmt.Sprintf("/src/github.com/acme/checkout/internal/pkg%d/file%d.go", i%40, i%7), StartLine: int64(rng.IntN(900)),
		})
	}
	for i := range 2000 {
		l := &pprof.Location{ID: uint64(i + 1), Mapping: m, Address: 0x400000 + uint64(i)*16}
		for range 1 + max(0, rng.IntN(10)-8) {
			f := p.Function[rng.IntN(len(p.Function))]
			l.Line = append(l.Line, pprof.Line{Function: f, Line: f.StartLine + rng.Int64N(80)})
		}
		p.Location = append(p.Location, l)
	}
	for range 550 {
		n := 10 + rng.IntN(41)
		s := &pprof.Sample{}
		at := 0
		for range n { // from the root
			at = (at*3 + 1 + rng.IntN(3)*rng.IntN(2)*rng.IntN(2)) % len(p.Location)
			s.Location = append([]*pprof.Location{p.Location[at]}, s.Location...)
		}
		s.Location[0] = p.Location[rng.IntN(len(p.Location))]
		v := 1 + rng.Int64N(50)
		s.Value = []int64{v, v * 10_000_000}
		p.Sample = append(p.Sample, s)
	}
	var b, z bytes.Buffer
	require.NoError(tb, p.WriteUncompressed(&b))
	w, err := gzip.NewWriterLevel(&z, gzip.BestSpeed)
	require.NoError(tb, err)
	_, err = w.Write(b.Bytes())
	require.NoError(tb, err)
	require.NoError(tb, w.Close())
	return z.Bytes(), b.Bytes()
}

// BenchmarkInflate is the part of ingest that no decoder can save. Compare MB/s,
// of inflated bytes.
//
//	go test ./warehouse/profile -run '^$' -bench . -count 10
func BenchmarkInflate(b *testing.B) {
	zipped, plain := benchProfile(b)
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		var err error
		if buf, err = profile.Inflate(buf[:0], zipped, 32<<20); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecode is the ingest floor: from what came over the wire to tables.
func BenchmarkDecode(b *testing.B) {
	zipped, plain := benchProfile(b)
	for _, inflate := range []bool{true, false} {
		b.Run(fmt.Sprintf("inflate=%t", inflate), func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			var d profile.Decoder
			buf := plain
			for b.Loop() {
				var err error
				if inflate {
					if buf, err = profile.Inflate(buf[:0], zipped, 32<<20); err != nil {
						b.Fatal(err)
					}
				}
				if _, err = d.Decode(buf, profile.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPrepare is all of a profile's way to rows.
func BenchmarkPrepare(b *testing.B) {
	zipped, plain := benchProfile(b)
	raw := profile.Raw{Body: zipped, Labels: []warehouse.Label{
		{Name: "__name__", Value: "process_cpu"}, {Name: "service_name", Value: "checkout"}, {Name: "namespace", Value: "shop"},
		{Name: "pod", Value: "checkout-7f9c4-x2x1z"}, {Name: "region", Value: "eu-west-1"}, {Name: "version", Value: "1.10.0"},
	}}
	for _, body := range [][]byte{zipped, plain} {
		b.Run(fmt.Sprintf("gzip=%t", &body[0] == &zipped[0]), func(b *testing.B) {
			raw.Body = body
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			var p profile.Preparer
			var size int64
			for b.Loop() {
				out, err := p.Prepare("t", raw, 0, received, profile.Limits{})
				if err != nil {
					b.Fatal(err)
				}
				size = out.SizeBytes
			}
			b.ReportMetric(float64(size), "held-B")
		})
	}
}

// BenchmarkGooglePprof is what reading takes with google/pprof, for comparison.
func BenchmarkGooglePprof(b *testing.B) {
	zipped, plain := benchProfile(b)
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pprof.ParseData(zipped); err != nil {
			b.Fatal(err)
		}
	}
}
