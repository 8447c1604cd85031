package compactor

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	tenant warehouse.Tenant = "acme"
	hour   warehouse.Hour   = 490_000
)

// fact is one received profile of one series.
type fact struct {
	series  warehouse.Series
	profile warehouse.ProfileID
	time    warehouse.Micros
	rows    []block.SampleRow
}

// world makes profiles of one hour and the parts that hold them.
type world struct {
	t       testing.TB
	rng     *rand.Rand
	parts   []Input
	rows    []block.SampleRow // of all parts
	facts   []fact
	stacks  map[warehouse.StacktraceID]warehouse.Stacktrace
	series  map[warehouse.SeriesID]warehouse.Series
	objects int
}

func newWorld(t testing.TB, seed uint64) *world {
	return &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 5)),
		stacks: map[warehouse.StacktraceID]warehouse.Stacktrace{}, series: map[warehouse.SeriesID]warehouse.Series{},
	}
}

var types = []warehouse.ProfileType{
	{Name: "memory", SampleType: "alloc_space", SampleUnit: "bytes", PeriodType: "space", PeriodUnit: "bytes"},
	{Name: "process_cpu", SampleType: "cpu", SampleUnit: "nanoseconds", PeriodType: "cpu", PeriodUnit: "nanoseconds"},
	{Name: "process_cpu", SampleType: "samples", SampleUnit: "count", PeriodType: "cpu", PeriodUnit: "nanoseconds"},
}

// stack returns the definition of one of n stacktraces.
func (w *world) stack(n int) warehouse.Stacktrace {
	id := warehouse.StacktraceID(uint64(n+1) * 0x9e3779b97f4a7c15)
	if st, ok := w.stacks[id]; ok {
		return st
	}
	st := warehouse.Stacktrace{ID: id}
	for depth := range 2 + n%5 {
		name := fmt.Sprintf("f%d", (n>>depth)%17)
		st.Frames = append(st.Frames, warehouse.Frame{Function: name, SystemName: name, Filename: name + ".go", Line: int64(n % 90), Mapping: "bin", Inlined: depth == 1})
	}
	w.stacks[id] = st
	return st
}

// fact makes a profile of a random series with up to so many samples.
func (w *world) fact(samples int) fact {
	typ := types[w.rng.IntN(len(types))]
	service := fmt.Sprintf("service-%d", w.rng.IntN(3))
	pod := fmt.Sprintf("pod-%d", w.rng.IntN(3))
	s := warehouse.Series{
		ID: warehouse.SeriesID(int64(len(typ.SampleType))*1_000_003 + int64(service[8])*7919 - int64(pod[4])*104729), Type: typ,
		Labels: warehouse.LabelsOf("pod", pod).With(warehouse.LabelService, service),
	}
	w.series[s.ID] = s
	f := fact{series: s, time: hour.Start() + warehouse.Micros(w.rng.Int64N(3600))*1_000_000}
	binary.BigEndian.PutUint64(f.profile[8:], w.rng.Uint64())
	seen := map[warehouse.StacktraceID]bool{}
	for range w.rng.IntN(samples + 1) {
		st := w.stack(w.rng.IntN(400))
		row := block.SampleRow{
			Time: f.time, Service: service, Type: typ.String(), Series: s.ID, Stacktrace: st.ID, Profile: f.profile, Value: 1 + w.rng.Int64N(1<<uint(w.rng.IntN(60))),
		}
		if w.rng.IntN(8) == 0 {
			row.Span = fmt.Sprintf("%016x", w.rng.Uint64()|1)
			if w.rng.IntN(2) == 0 {
				row.Trace = fmt.Sprintf("%032x", w.rng.Uint64()|1)
			}
		}
		if !seen[st.ID] {
			seen[st.ID] = true
			f.rows = append(f.rows, row)
		}
	}
	var sum int64
	for i := range f.rows { // a profile's total fits
		f.rows[i].Value = min(f.rows[i].Value, 1<<56)
		sum += f.rows[i].Value
	}
	return f
}

func compareRows(a, b block.SampleRow) int {
	x := runKey{a.Service, a.Type, a.Series, a.Time, a.Profile}
	y := runKey{b.Service, b.Type, b.Series, b.Time, b.Profile}
	return cmp.Or(x.compare(&y), cmp.Compare(a.Stacktrace, b.Stacktrace), strings.Compare(a.Span, b.Span), cmp.Compare(a.Value, b.Value))
}

// store makes a part of facts; those of a definition that defined has are left out.
func (w *world) store(level uint8, facts []fact, defined map[any]bool) Input {
	w.t.Helper()
	w.objects++
	p := &warehouse.Part{Level: level, Format: block.FormatVersion, Tenant: tenant, Hour: hour}
	p.Object = ulid.ULID{}
	require.NoError(w.t, p.Object.SetTime(uint64(time.Now().UnixMilli())))
	binary.BigEndian.PutUint64(p.Object[8:], uint64(w.objects))
	var rows []block.SampleRow
	var profiles []block.ProfileRow
	series, stacks := map[warehouse.SeriesID]struct{}{}, map[warehouse.StacktraceID]struct{}{}
	for _, f := range facts {
		r := block.ProfileRow{Time: f.time, Service: f.series.Service(), Type: f.series.Type.String(), Series: f.series.ID, ID: f.profile, DurationNs: 10, Received: f.time}
		for _, row := range f.rows {
			r.Value += row.Value
			r.Samples++
			if !defined[row.Stacktrace] {
				stacks[row.Stacktrace] = struct{}{}
			}
		}
		if !defined[f.series.ID] {
			series[f.series.ID] = struct{}{}
		}
		rows, profiles = append(rows, f.rows...), append(profiles, r)
	}
	if defined != nil {
		for id := range stacks {
			defined[id] = true
		}
		for id := range series {
			defined[id] = true
		}
	}
	slices.SortFunc(rows, compareRows)
	slices.SortFunc(profiles, func(a, b block.ProfileRow) int { x, y := keyOf(&a), keyOf(&b); return x.compare(&y) })
	counts := map[datasetName]int64{}
	for _, r := range rows {
		counts[datasetName{r.Service, r.Type}]++
	}
	files := map[warehouse.Table][]byte{}
	add := func(t warehouse.Table, data []byte, n int64, err error) {
		require.NoError(w.t, err)
		if n > 0 {
			b := Block{}
			b.add(t, data, n)
			p.Sections = append(p.Sections, b.Part.Sections[0])
			files[t] = data
		}
	}
	data, err := block.AppendParquet(nil, warehouse.TableSamples, recordOfRows(w.t, rows))
	add(warehouse.TableSamples, data, int64(len(rows)), err)
	data, n, err := writeTable(warehouse.TableProfiles, func(add func(recordOf) error) error { return add(block.ProfilesRecord(profiles)) })
	add(warehouse.TableProfiles, data, n, err)
	data, n, err = seriesTable(w.series).write(series)
	add(warehouse.TableSeries, data, n, err)
	data, n, err = w.table().write(stacks)
	add(warehouse.TableStacktraces, data, n, err)
	describe(p, profiles, counts)
	require.NoError(w.t, p.Validate())
	in := Input{Part: p, Data: func(t warehouse.Table) ([]byte, error) { return files[t], nil }}
	w.parts = append(w.parts, in)
	w.rows = append(w.rows, rows...)
	w.facts = append(w.facts, facts...)
	return in
}

// table is all stacktraces of the world.
func (w *world) table() *stackTable {
	t := newStackTable()
	for id, st := range w.stacks {
		from := len(t.paths)
		for i := range st.Frames {
			t.paths = append(t.paths, t.number(&st.Frames[i]))
		}
		t.defs[id] = extent{from, len(t.paths)}
	}
	return t
}

func recordOfRows(t testing.TB, rows []block.SampleRow) recordOf {
	t.Helper()
	var dict block.Dicts
	var runs []block.Run
	var stacks []warehouse.StacktraceID
	var values []int64
	var spans []warehouse.SpanID
	var traces []warehouse.TraceID
	for i, r := range rows {
		if i == 0 || runKeyOf(&rows[i-1]) != runKeyOf(&r) {
			dict.Services, dict.Types = append(dict.Services, r.Service), append(dict.Types, r.Type)
			runs = append(runs, block.Run{Service: int32(len(dict.Services) - 1), Type: int32(len(dict.Types) - 1), Series: r.Series, Time: r.Time, Profile: r.Profile})
		}
		runs[len(runs)-1].N++
		stacks, values = append(stacks, r.Stacktrace), append(values, r.Value)
		var span warehouse.SpanID
		var trace warehouse.TraceID
		if r.Span != "" {
			_, err := fmt.Sscanf(r.Span, "%016x", (*uint64)(&span))
			require.NoError(t, err)
		}
		if r.Trace != "" {
			var n uint64
			_, err := fmt.Sscanf(r.Trace[16:], "%016x", &n)
			require.NoError(t, err)
			binary.BigEndian.PutUint64(trace[8:], n)
		}
		spans, traces = append(spans, span), append(traces, trace)
	}
	return block.SamplesRecord(dict, runs, stacks, values, spans, traces)
}

func runKeyOf(r *block.SampleRow) runKey {
	return runKey{r.Service, r.Type, r.Series, r.Time, r.Profile}
}

// ids makes ids of blocks.
func ids() func() warehouse.ObjectID {
	return func() warehouse.ObjectID { return ulid.Make() }
}
