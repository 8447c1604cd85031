package query

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/cache"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fact is one series of one received profile: what the tests know to be true.
type fact struct {
	tenant  warehouse.Tenant
	series  warehouse.Series
	time    warehouse.Micros
	id      warehouse.ProfileID
	samples []sampleFact // sorted by stack, then span; values > 0
}

type sampleFact struct {
	stack warehouse.StacktraceID
	value int64
	span  warehouse.SpanID
	trace warehouse.TraceID
}

func (f *fact) service() string { return f.series.Service() }

func (f *fact) total() (w wide) {
	for _, s := range f.samples {
		w.add(s.value)
	}
	return w
}

// world is stored data: objects in a bucket, an index over them, and the facts
// they hold. It is the Index of services opened on it.
type world struct {
	t        testing.TB
	facts    []fact
	stacks   map[warehouse.StacktraceID]warehouse.Stacktrace
	bucket   object.Bucket
	dir      string
	sections *cache.Sections
	engine   *engine.Engine
	nObjects uint64

	isDefined bool // objects need no definitions

	mu    sync.Mutex
	parts []*warehouse.Part
	pins  int

	index     uint64 // of the last deletion
	deletions []*warehouse.Deletion
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, stacks: map[warehouse.StacktraceID]warehouse.Stacktrace{}, bucket: object.NewMemory(), dir: t.TempDir()}
	var err error
	w.sections, err = cache.OpenSections(cache.SectionsOptions{Dir: w.dir, Bucket: w.bucket, MaxBytes: 1 << 30})
	require.NoError(t, err)
	w.engine, err = engine.Open(engine.Options{Threads: 2, AllowedDirs: []string{w.dir}, TempDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, w.engine.Close())
		require.NoError(t, w.sections.Close())
		require.Zero(t, w.pins, "snapshots that were not released")
	})
	return w
}

// service opens a service on the world with one of the ways to read.
func (w *world) service(opts Options) *Service {
	w.t.Helper()
	opts.Index, opts.Sections, opts.Engine = w, w.sections, w.engine
	if opts.Symbols == nil {
		opts.Symbols = cache.NewSymbols(64 << 20)
	}
	s, err := New(opts)
	require.NoError(w.t, err)
	return s
}

// ways are the ways to the same answers.
var ways = []struct {
	name       string
	opts       Options
	wholeRows  int64
	manyStacks int64
}{
	{"no rollups", Options{SmallRows: 1 << 40, SmallProfiles: 1 << 40, NoRollups: true}, 100, 1 << 40},
	{"whole parts", Options{SmallRows: 1 << 40, SmallProfiles: 1 << 40}, 1 << 40, 1 << 40},
	{"what is asked for", Options{SmallRows: 1 << 40, SmallProfiles: 1 << 40}, 0, 20},
	{"engine", Options{SmallRows: -1, SmallProfiles: -1, NoRollups: true}, 0, 0},
	{"engine and rollups", Options{SmallRows: -1, SmallProfiles: -1}, 0, 0},
	{"mixed", Options{SmallRows: 25, SmallProfiles: 20}, 30, 20},
	{"no room", Options{SmallRows: 1 << 40, SmallProfiles: 1 << 40, SampleCacheBytes: 2000, SeriesCacheBytes: 2}, 30, 0},
}

func (w *world) services() []*Service {
	out := make([]*Service, len(ways))
	for i := range ways {
		out[i] = w.way(i)
	}
	return out
}

func (w *world) way(i int) *Service {
	s := w.service(ways[i].opts)
	s.wholeRows, s.manyStacks = ways[i].wholeRows, ways[i].manyStacks
	return s
}

// Snapshot, Parts, Bounds and Release implement Index and Snapshot.
func (w *world) Snapshot(ctx context.Context) (Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pins++
	return w, nil
}

func (w *world) Parts(t warehouse.Tenant, r warehouse.TimeRange) (out []*warehouse.Part) {
	for _, p := range w.parts {
		if p.Tenant == t && p.Range.Overlaps(r) {
			out = append(out, p)
		}
	}
	return out
}

func (w *world) Bounds(t warehouse.Tenant) warehouse.TimeRange {
	out := warehouse.EmptyRange
	for _, p := range w.parts {
		if p.Tenant == t {
			out = out.Union(p.Range)
		}
	}
	return out
}

// Deletions implements Snapshot.
func (w *world) Deletions(t warehouse.Tenant) (out []*warehouse.Deletion) {
	for _, d := range w.deletions {
		if d.Tenant == t {
			out = append(out, d)
		}
	}
	return out
}

func (w *world) Release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pins--
}

// stack returns the id of a stacktrace of these functions, root first.
func (w *world) stack(functions ...string) warehouse.StacktraceID {
	h := crc32.ChecksumIEEE([]byte(strings.Join(functions, ";")))
	id := warehouse.StacktraceID(uint64(h)<<32 | uint64(crc32.Checksum([]byte(strings.Join(functions, ";")), castagnoli)))
	st := warehouse.Stacktrace{ID: id}
	for _, name := range slices.Backward(functions) {
		st.Frames = append(st.Frames, warehouse.Frame{Function: name, SystemName: name, Filename: name + ".go", Line: 7})
	}
	w.stacks[id] = st
	return id
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seriesOf returns a series, whose id depends on all of it.
func seriesOf(typ warehouse.ProfileType, service string, pairs ...string) warehouse.Series {
	s := warehouse.Series{Type: typ, Labels: warehouse.LabelsOf(pairs...).With(warehouse.LabelService, service)}
	text := []byte(typ.String() + s.Labels.String())
	s.ID = warehouse.SeriesID(uint64(crc32.ChecksumIEEE(text))<<32 | uint64(crc32.Checksum(text, castagnoli)))
	return s
}

// profileID returns the n-th profile id.
func profileID(n int) (id warehouse.ProfileID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n+1))
	return id
}

// store adds facts in one object: at level 0 a segment with a part for each
// tenant and hour, else a block for each. defs says which definitions the object
// has besides those that no other object of the dataset partition has.
func (w *world) store(level uint8, facts []fact, defs func() bool) {
	w.t.Helper()
	groups := map[partKey][]fact{}
	for _, f := range facts {
		key := partKey{tenant: f.tenant, hour: f.time.Hour()}
		groups[key] = append(groups[key], f)
	}
	keys := make([]partKey, 0, len(groups))
	for key := range groups {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b partKey) int {
		return cmp.Or(strings.Compare(string(a.tenant), string(b.tenant)), cmp.Compare(a.hour, b.hour))
	})
	var segment []byte
	for i, key := range keys {
		if i == 0 || level > 0 {
			w.nObjects++
		}
		p := &warehouse.Part{Level: level, Format: block.FormatVersion, Tenant: key.tenant, Hour: key.hour}
		binary.BigEndian.PutUint64(p.Object[8:], w.nObjects)
		p.Masked = w.index
		for t, data := range w.encode(p, groups[key], defs) {
			section := warehouse.Section{Table: t, Size: int64(len(data.bytes)), Rows: data.rows, CRC: crc32.Checksum(data.bytes, castagnoli)}
			if level == 0 {
				section.Offset = int64(len(segment))
				segment = append(segment, data.bytes...)
			} else {
				require.NoError(w.t, w.bucket.Put(context.Background(), block.SectionName(p, t), data.bytes))
			}
			p.Sections = append(p.Sections, section)
		}
		slices.SortFunc(p.Sections, func(a, b warehouse.Section) int { return cmp.Compare(a.Table, b.Table) })
		require.NoError(w.t, p.Validate())
		w.parts = append(w.parts, p)
	}
	if level == 0 && len(keys) > 0 {
		require.NoError(w.t, w.bucket.Put(context.Background(), block.SectionName(w.parts[len(w.parts)-1], warehouse.TableSamples), segment))
	}
	slices.SortStableFunc(w.parts, func(a, b *warehouse.Part) int { return cmp.Compare(a.Hour, b.Hour) })
	w.facts = append(w.facts, facts...)
}

type encoded struct {
	bytes []byte
	rows  int64
}

// encode sorts and encodes a part's facts, and fills in what the index says.
func (w *world) encode(p *warehouse.Part, facts []fact, defs func() bool) map[warehouse.Table]encoded {
	slices.SortFunc(facts, func(a, b fact) int {
		return cmp.Or(strings.Compare(a.service(), b.service()), strings.Compare(a.series.Type.String(), b.series.Type.String()),
			cmp.Compare(a.series.ID, b.series.ID), cmp.Compare(a.time, b.time), slices.Compare(a.id[:], b.id[:]))
	})
	out := map[warehouse.Table]encoded{}
	w.encodeSamples(out, p, facts)
	w.encodeProfiles(out, facts)
	w.encodeDefinitions(out, p, facts, defs)
	if p.Level >= warehouse.LevelFinal {
		w.encodeTotals(out, p, facts)
	}
	w.describe(p, facts)
	return out
}

func (w *world) put(out map[warehouse.Table]encoded, t warehouse.Table, rec arrow.RecordBatch) {
	defer rec.Release()
	if rec.NumRows() == 0 {
		return
	}
	data, err := block.AppendParquet(nil, t, rec)
	require.NoError(w.t, err)
	out[t] = encoded{data, rec.NumRows()}
}

func (w *world) encodeSamples(out map[warehouse.Table]encoded, _ *warehouse.Part, facts []fact) {
	var dict block.Dicts
	index := func(list *[]string, v string) int32 {
		if i := slices.Index(*list, v); i >= 0 {
			return int32(i)
		}
		*list = append(*list, v)
		return int32(len(*list) - 1)
	}
	var runs []block.Run
	var stacks []warehouse.StacktraceID
	var values []int64
	var spans []warehouse.SpanID
	var traces []warehouse.TraceID
	hasSpans := false
	for _, f := range facts {
		if len(f.samples) == 0 {
			continue
		}
		runs = append(runs, block.Run{
			Service: index(&dict.Services, f.service()), Type: index(&dict.Types, f.series.Type.String()),
			Series: f.series.ID, Time: f.time, Profile: f.id, N: len(f.samples),
		})
		for _, s := range f.samples {
			stacks, values = append(stacks, s.stack), append(values, s.value)
			spans, traces = append(spans, s.span), append(traces, s.trace)
			hasSpans = hasSpans || s.span != 0 || s.trace != warehouse.TraceID{}
		}
	}
	if !hasSpans {
		spans, traces = nil, nil
	}
	w.put(out, warehouse.TableSamples, block.SamplesRecord(dict, runs, stacks, values, spans, traces))
}

func (w *world) encodeProfiles(out map[warehouse.Table]encoded, facts []fact) {
	rows := make([]block.ProfileRow, len(facts))
	for i, f := range facts {
		total, ok := f.total().int64()
		require.True(w.t, ok, "a profile's total must fit")
		rows[i] = block.ProfileRow{
			Time: f.time, Service: f.service(), Type: f.series.Type.String(), Series: f.series.ID,
			ID: f.id, Value: total, Samples: int32(len(f.samples)), Received: f.time,
		}
	}
	w.put(out, warehouse.TableProfiles, block.ProfilesRecord(rows))
}

// encodeTotals writes what final blocks carry: sums by service, type and stacktrace.
func (w *world) encodeTotals(out map[warehouse.Table]encoded, p *warehouse.Part, facts []fact) {
	type key struct {
		service, typ string
		stack        warehouse.StacktraceID
	}
	sums := map[key]*block.StackTotal{}
	for _, f := range facts {
		for _, s := range f.samples {
			k := key{f.service(), f.series.Type.String(), s.stack}
			if sums[k] == nil {
				sums[k] = &block.StackTotal{Hour: p.Hour, Service: k.service, Type: k.typ, Stacktrace: k.stack}
			}
			sums[k].Value = sums[k].Value.Add(decimal128.FromI64(s.value))
			sums[k].Samples++
		}
	}
	rows := make([]block.StackTotal, 0, len(sums))
	for _, r := range sums {
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b block.StackTotal) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Type, b.Type), cmp.Compare(a.Stacktrace, b.Stacktrace))
	})
	w.put(out, warehouse.TableStackTotals, block.StackTotalsRecord(rows))
}

// encodeDefinitions writes the definitions that the dataset partition lacks, and
// some that it does not.
func (w *world) encodeDefinitions(out map[warehouse.Table]encoded, p *warehouse.Part, facts []fact, again func() bool) {
	if w.isDefined {
		return
	}
	series, stacks := map[warehouse.SeriesID]warehouse.Series{}, map[warehouse.StacktraceID]warehouse.Stacktrace{}
	for _, f := range facts {
		if again() || !w.isStored(p, f.service(), func(o *fact) bool { return o.series.ID == f.series.ID }) {
			series[f.series.ID] = f.series
		}
		for _, s := range f.samples {
			if again() || !w.isStored(p, f.service(), func(o *fact) bool {
				return slices.ContainsFunc(o.samples, func(x sampleFact) bool { return x.stack == s.stack })
			}) {
				stacks[s.stack] = w.stacks[s.stack]
			}
		}
	}
	sortedSeries := make([]warehouse.Series, 0, len(series))
	for _, s := range series {
		sortedSeries = append(sortedSeries, s)
	}
	slices.SortFunc(sortedSeries, func(a, b warehouse.Series) int { return cmp.Compare(a.ID, b.ID) })
	sortedStacks := make([]warehouse.Stacktrace, 0, len(stacks))
	for _, s := range stacks {
		sortedStacks = append(sortedStacks, s)
	}
	slices.SortFunc(sortedStacks, func(a, b warehouse.Stacktrace) int { return cmp.Compare(a.ID, b.ID) })
	w.put(out, warehouse.TableSeries, block.SeriesRecord(sortedSeries))
	w.put(out, warehouse.TableStacktraces, block.StacktracesRecord(sortedStacks))
}

// isStored reports whether an earlier object of the dataset partition has a fact
// that is.
func (w *world) isStored(p *warehouse.Part, service string, is func(*fact) bool) bool {
	return slices.ContainsFunc(w.facts, func(f fact) bool {
		return f.tenant == p.Tenant && f.time.Hour() == p.Hour && f.service() == service && is(&f)
	})
}

// describe fills in the part's ranges and datasets.
func (w *world) describe(p *warehouse.Part, facts []fact) {
	p.Range = warehouse.EmptyRange
	for i := range facts {
		f := &facts[i]
		at := warehouse.TimeRange{From: f.time, To: f.time}
		p.Range = p.Range.Union(at)
		if n := len(p.Datasets); n == 0 || p.Datasets[n-1].Service != f.service() {
			p.Datasets = append(p.Datasets, warehouse.Dataset{Service: f.service()})
		}
		d := &p.Datasets[len(p.Datasets)-1]
		d.Profiles++
		typ := f.series.Type.String()
		if n := len(d.Types); n == 0 || d.Types[n-1].Type != typ {
			d.Types = append(d.Types, warehouse.TypeStats{Type: typ, Range: warehouse.EmptyRange})
		}
		ts := &d.Types[len(d.Types)-1]
		ts.Range = ts.Range.Union(at)
		ts.Rows += int64(len(f.samples))
	}
}

var (
	cpu     = warehouse.ProfileType{Name: "process_cpu", SampleType: "cpu", SampleUnit: "nanoseconds", PeriodType: "cpu", PeriodUnit: "nanoseconds"}
	samples = warehouse.ProfileType{Name: "process_cpu", SampleType: "samples", SampleUnit: "count", PeriodType: "cpu", PeriodUnit: "nanoseconds"}
	inuse   = warehouse.ProfileType{Name: "memory", SampleType: "inuse_space", SampleUnit: "bytes", PeriodType: "space", PeriodUnit: "bytes"}
)

// Tenants whose names mean something to SQL and to file patterns.
const (
	tenantA warehouse.Tenant = "a*'b"
	tenantB warehouse.Tenant = "a'*b"
)

var hour0 = warehouse.Hour(490_000)

// randomFacts returns profiles in the three hours from hour0, many of them on
// the hour or a microsecond from it.
func (w *world) randomFacts(rng *rand.Rand, n int) []fact {
	var all []warehouse.Series
	for _, typ := range []warehouse.ProfileType{cpu, samples, inuse} {
		for _, service := range []string{"api", "api2", "db", "it's"} {
			for pod := range 1 + rng.IntN(3) {
				pairs := []string{"pod", fmt.Sprintf("%s-%d", service, pod)}
				if pod > 0 {
					pairs = append(pairs, "region", []string{"eu", "us"}[rng.IntN(2)])
				}
				all = append(all, seriesOf(typ, service, pairs...))
			}
		}
	}
	out := make([]fact, n)
	for i := range out {
		f := fact{
			tenant: []warehouse.Tenant{tenantA, tenantA, tenantB}[rng.IntN(3)],
			series: all[rng.IntN(len(all))],
			time:   randomTime(rng),
			id:     profileID(i),
		}
		stacks := map[warehouse.StacktraceID]bool{}
		for range rng.IntN(6) {
			path := []string{"main"}
			for range rng.IntN(4) {
				path = append(path, fmt.Sprintf("f%d", rng.IntN(3)))
			}
			id := w.stack(path...)
			if stacks[id] {
				continue
			}
			stacks[id] = true
			s := sampleFact{stack: id, value: 1 + rng.Int64N(1000)}
			if rng.IntN(10) == 0 {
				s.value = 1 << 50
			}
			if rng.IntN(5) == 0 {
				s.span = warehouse.SpanID(1 + rng.IntN(4))
				s.trace = warehouse.TraceID{byte(1 + rng.IntN(4))}
			}
			f.samples = append(f.samples, s)
		}
		slices.SortFunc(f.samples, func(a, b sampleFact) int { return cmp.Compare(a.stack, b.stack) })
		out[i] = f
	}
	return out
}

func randomTime(rng *rand.Rand) warehouse.Micros {
	hour := hour0 + warehouse.Hour(rng.IntN(3))
	switch rng.IntN(4) {
	case 0:
		return hour.Start() + warehouse.Micros(rng.IntN(2))
	case 1:
		return hour.End() - 1 - warehouse.Micros(rng.IntN(2))
	}
	return hour.Start() + warehouse.Micros(rng.Int64N(3_600))*1_000_000
}

// storeRandomly deals the facts out to objects.
func (w *world) storeRandomly(rng *rand.Rand, facts []fact) {
	objects := make([][]fact, 1+rng.IntN(8))
	for _, f := range facts {
		i := rng.IntN(len(objects))
		objects[i] = append(objects[i], f)
	}
	for _, of := range objects {
		w.store([]uint8{0, 1, warehouse.LevelFinal}[rng.IntN(3)], of, func() bool { return rng.IntN(3) == 0 })
	}
}
