package block

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// shapeOf says how large generated samples are.
type shapeOf struct {
	services, pods, profiles, stacks int // stacks: about so many a profile
	spans                            bool
}

// sampleSet is what SamplesRecord takes, and the rows that must come back.
type sampleSet struct {
	dicts  Dicts
	runs   []Run
	stacks []warehouse.StacktraceID
	values []int64
	spans  []warehouse.SpanID
	traces []warehouse.TraceID
}

const testTime = warehouse.Micros(1_760_000_400_000_000) // the start of an hour

// generate makes samples as a fleet has them: every service has its stacks, of
// which each profile sees most; CPU values are multiples of 10 ms, allocated
// bytes are anything.
func generate(seed uint64, s shapeOf) *sampleSet {
	rng := rand.New(rand.NewPCG(seed, 1))
	set := &sampleSet{dicts: Dicts{Types: []string{"memory:alloc_space:bytes:space:bytes", "process_cpu:cpu:nanoseconds:cpu:nanoseconds"}}}
	for service := range s.services {
		set.dicts.Services = append(set.dicts.Services, fmt.Sprintf("service-%03d", service))
		pool := make([]warehouse.StacktraceID, s.stacks+s.stacks/4)
		for i := range pool {
			pool[i] = warehouse.StacktraceID(rng.Uint64())
		}
		slices.Sort(pool)
		for typ := range set.dicts.Types {
			series := make([]warehouse.SeriesID, s.pods)
			for i := range series {
				series[i] = warehouse.SeriesID(rng.Uint64())
			}
			slices.Sort(series)
			for _, id := range series {
				for p := range s.profiles {
					run := Run{Service: int32(service), Type: int32(typ), Series: id, Time: testTime + warehouse.Micros(p*15_000_000+rng.IntN(1000))}
					binary.BigEndian.PutUint64(run.Profile[:], rng.Uint64())
					binary.BigEndian.PutUint64(run.Profile[8:], rng.Uint64())
					set.addRun(rng, run, pool, s)
				}
			}
		}
	}
	return set
}

func (set *sampleSet) addRun(rng *rand.Rand, run Run, pool []warehouse.StacktraceID, s shapeOf) {
	for _, id := range pool {
		if rng.IntN(5) == 0 {
			continue
		}
		run.N++
		set.stacks = append(set.stacks, id)
		value := int64(10_000_000 * (1 + rng.ExpFloat64()*3))
		if run.Type == 0 {
			value = 1 + rng.Int64N(1<<uint(10+rng.IntN(15)))
		} else {
			value -= value % 10_000_000
		}
		set.values = append(set.values, value)
		if s.spans {
			span, trace := warehouse.SpanID(0), warehouse.TraceID{}
			if rng.IntN(3) == 0 {
				span = warehouse.SpanID(rng.Uint64())
				binary.BigEndian.PutUint64(trace[8:], rng.Uint64N(1000))
			}
			set.spans, set.traces = append(set.spans, span), append(set.traces, trace)
		}
	}
	set.runs = append(set.runs, run)
}

func (set *sampleSet) record() arrow.RecordBatch {
	return SamplesRecord(set.dicts, set.runs, set.stacks, set.values, set.spans, set.traces)
}

func (set *sampleSet) rows() []SampleRow {
	var rows []SampleRow
	for _, r := range set.runs {
		for range r.N {
			i := len(rows)
			row := SampleRow{
				Time: r.Time, Service: set.dicts.Services[r.Service], Type: set.dicts.Types[r.Type], Series: r.Series,
				Stacktrace: set.stacks[i], Profile: r.Profile, Value: set.values[i],
			}
			if set.spans != nil && set.spans[i] != 0 {
				row.Span = fmt.Sprintf("%016x", uint64(set.spans[i]))
				row.Trace = fmt.Sprintf("%x", set.traces[i][:])
				if set.traces[i] == (warehouse.TraceID{}) {
					row.Trace = ""
				}
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func generateProfiles(seed uint64, n int) []ProfileRow {
	rng := rand.New(rand.NewPCG(seed, 2))
	rows := make([]ProfileRow, n)
	for i := range rows {
		rows[i] = ProfileRow{
			Time:    testTime + warehouse.Micros(rng.Int64N(3_600_000_000)),
			Service: fmt.Sprintf("service-%03d", i*4/max(n, 1)), Type: "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
			Series: warehouse.SeriesID(rng.Uint64()), DurationNs: 15_000_000_000, Period: 10_000_000,
			Value: rng.Int64(), Samples: rng.Int32N(1000), Received: testTime + warehouse.Micros(rng.Int64N(3_700_000_000)),
			Flags: rng.Int32N(16),
		}
		binary.BigEndian.PutUint64(rows[i].ID[:], rng.Uint64())
	}
	return rows
}

func generateSeries(seed uint64, n int) []warehouse.Series {
	rng := rand.New(rand.NewPCG(seed, 3))
	all := make([]warehouse.Series, n)
	for i := range all {
		labels := warehouse.LabelsOf(warehouse.LabelService, fmt.Sprintf("service-%03d", i%7))
		for j := range i % 5 {
			labels = labels.With(fmt.Sprintf("label_%d", j), fmt.Sprintf("välue %d", rng.IntN(10)))
		}
		if i%11 == 10 {
			labels = nil
		}
		all[i] = warehouse.Series{
			ID:     warehouse.SeriesID(rng.Uint64()),
			Type:   warehouse.ProfileType{Name: "process_cpu", SampleType: "cpu", SampleUnit: "nanoseconds", PeriodType: "cpu", PeriodUnit: "nanoseconds"},
			Labels: labels,
		}
	}
	slices.SortFunc(all, func(a, b warehouse.Series) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

func generateStacks(seed uint64, n, depth int) []warehouse.Stacktrace {
	rng := rand.New(rand.NewPCG(seed, 4))
	all := make([]warehouse.Stacktrace, n)
	for i := range all {
		all[i].ID = warehouse.StacktraceID(rng.Uint64())
		d := rng.IntN(2*depth + 1)
		for j := range d {
			f := rng.IntN(10 + 20*(d-j)) // few roots, many leaves
			all[i].Frames = append(all[i].Frames, warehouse.Frame{
				Function: fmt.Sprintf("github.com/example/project/pkg%d.(*Type).Method%d", f%17, f), SystemName: fmt.Sprintf("sys%d", f),
				Filename: fmt.Sprintf("/src/github.com/example/project/pkg%d/file%d.go", f%17, f%5),
				Line:     int64(f*10 + rng.IntN(3)), StartLine: int64(f * 10),
				Mapping: "server", BuildID: "d41d8cd98f00b204e9800998ecf8427e", Inlined: rng.IntN(4) == 0,
			})
			if rng.IntN(20) == 0 {
				all[i].Frames[j] = warehouse.Frame{Mapping: "libc.so.6", BuildID: "b1d", Address: rng.Uint64()}
			}
		}
	}
	slices.SortFunc(all, func(a, b warehouse.Stacktrace) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// stackTotals returns a record with one row for each value.
func stackTotals(tb testing.TB, values ...string) arrow.RecordBatch {
	tb.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, ArrowSchema(warehouse.TableStackTotals))
	defer b.Release()
	for i, text := range values {
		b.Field(0).(*array.TimestampBuilder).Append(arrow.Timestamp(testTime))
		require.NoError(tb, b.Field(1).(*array.BinaryDictionaryBuilder).AppendString("checkout"))
		require.NoError(tb, b.Field(2).(*array.BinaryDictionaryBuilder).AppendString("process_cpu:cpu:nanoseconds:cpu:nanoseconds"))
		b.Field(3).(*array.Int64Builder).Append(int64(i))
		v, err := decimal128.FromString(text, 38, 0)
		require.NoError(tb, err)
		b.Field(4).(*array.Decimal128Builder).Append(v)
		b.Field(5).(*array.Int64Builder).Append(1)
	}
	return b.NewRecordBatch()
}
