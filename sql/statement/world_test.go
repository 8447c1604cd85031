package statement

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stackhouse-db/stackhouse/sql/catalog"
	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/cache"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sample is a row of samples as the tests know it.
type sample struct {
	tenant  warehouse.Tenant
	time    warehouse.Micros
	series  warehouse.Series
	profile warehouse.ProfileID
	stack   warehouse.Stacktrace
	value   int64
}

func (s *sample) service() string { return s.series.Service() }

// Tenants whose names mean something to SQL and to file patterns.
const (
	tenantA warehouse.Tenant = "a*'b"
	tenantB warehouse.Tenant = "Temp"
)

var (
	cpuType   = warehouse.ProfileType{Name: "process_cpu", SampleType: "cpu", SampleUnit: "nanoseconds", PeriodType: "cpu", PeriodUnit: "nanoseconds"}
	countType = warehouse.ProfileType{Name: "process_cpu", SampleType: "samples", SampleUnit: "count", PeriodType: "cpu", PeriodUnit: "nanoseconds"}
	spaceType = warehouse.ProfileType{Name: "memory", SampleType: "inuse_space", SampleUnit: "bytes", PeriodType: "space", PeriodUnit: "bytes"}
)

// firstHour is 2026-03-01 10:00 UTC. Data is in the five hours from it.
var firstHour = warehouse.MicrosOf(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)).Hour()

// worldNow is the transaction time of the tests.
var worldNow = time.Date(2026, 3, 1, 15, 0, 0, 0, time.UTC)

// world is stored data, an index over it, and the rows it holds.
type world struct {
	t        testing.TB
	samples  []sample
	sections *cache.Sections
	bucket   object.Bucket
	dir      string
	query    *query.Service
	catalog  *catalog.Catalog
	objects  uint64

	mu    sync.Mutex
	parts []*warehouse.Part
	pins  int
	taken int // snapshots ever

	deletions []*warehouse.Deletion
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, bucket: object.NewMemory(), dir: t.TempDir()}
	var err error
	w.sections, err = cache.OpenSections(cache.SectionsOptions{Dir: w.dir, Bucket: w.bucket, MaxBytes: 1 << 30})
	require.NoError(t, err)
	e, err := engine.Open(engine.Options{Threads: 2, AllowedDirs: []string{w.dir}, TempDir: t.TempDir()})
	require.NoError(t, err)
	w.query, err = query.New(query.Options{Index: w, Sections: w.sections, Symbols: cache.NewSymbols(64 << 20), Engine: e})
	require.NoError(t, err)
	w.catalog, err = catalog.New()
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, e.Close())
		require.NoError(t, w.sections.Close())
		require.Zero(t, w.pins, "snapshots that were not released")
	})
	return w
}

// service opens a service over the world.
func (w *world) service(change func(*Options)) *Service {
	w.t.Helper()
	opts := Options{Index: w, Sections: w.sections, Query: w.query, Catalog: w.catalog, SectionDirs: func(warehouse.Tenant) []string { return []string{w.dir} },
		MemoryBytes: 512 << 20, Threads: 1, PerTenant: 2, TempDir: w.t.TempDir()}
	if change != nil {
		change(&opts)
	}
	s, err := New(opts)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, s.Close()) })
	return s
}

// Snapshot, Parts, Bounds and Release implement query.Index and query.Snapshot.
func (w *world) Snapshot(ctx context.Context) (query.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pins++
	w.taken++
	return &worldSnapshot{world: w, parts: slices.Clone(w.parts), deletions: slices.Clone(w.deletions)}, nil
}

type worldSnapshot struct {
	*world
	parts []*warehouse.Part
	once  sync.Once

	deletions []*warehouse.Deletion
}

func (s *worldSnapshot) Parts(t warehouse.Tenant, r warehouse.TimeRange) (out []*warehouse.Part) {
	for _, p := range s.parts {
		if p.Tenant == t && p.Range.Overlaps(r) {
			out = append(out, p)
		}
	}
	return out
}

func (s *worldSnapshot) Bounds(t warehouse.Tenant) warehouse.TimeRange {
	out := warehouse.EmptyRange
	for _, p := range s.Parts(t, warehouse.TimeRange{From: warehouse.MinTime, To: warehouse.MaxTime}) {
		out = out.Union(p.Range)
	}
	return out
}

// Deletions implements query.Snapshot.
func (s *worldSnapshot) Deletions(t warehouse.Tenant) (out []*warehouse.Deletion) {
	for _, d := range s.deletions {
		if d.Tenant == t {
			out = append(out, d)
		}
	}
	return out
}

func (s *worldSnapshot) Release() {
	s.once.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pins--
	})
}

// generate stores random samples of both tenants: in segments and blocks, with
// definitions once in each dataset partition and sometimes again.
func (w *world) generate(seed uint64, profiles int) {
	rng := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // a test
	types := []warehouse.ProfileType{cpuType, countType, spaceType}
	services := []string{"api", "api-2", "db", "it's"}
	objects := make([][]sample, 12)
	for n := range profiles {
		at := (firstHour + warehouse.Hour(rng.IntN(5))).Start() + warehouse.Micros(rng.Int64N(3600))*1_000_000
		switch rng.IntN(6) {
		case 0:
			at = at.Hour().Start()
		case 1:
			at = at.Hour().End() - 1
		}
		var id warehouse.ProfileID
		binary.BigEndian.PutUint64(id[8:], uint64(n+1))
		service := services[rng.IntN(len(services))]
		series := warehouse.Series{Type: types[rng.IntN(3)], Labels: warehouse.LabelsOf("pod", fmt.Sprintf("%s-%d", service, rng.IntN(2))).With(warehouse.LabelService, service)}
		series.ID = warehouse.SeriesID(hash(series.Type.String() + series.Labels.String()))
		tenant := []warehouse.Tenant{tenantA, tenantA, tenantA, tenantB}[rng.IntN(4)]
		o := rng.IntN(len(objects))
		seen := map[warehouse.StacktraceID]bool{}
		for range 1 + rng.IntN(5) {
			st := stackOf(service, rng)
			if seen[st.ID] {
				continue
			}
			seen[st.ID] = true
			objects[o] = append(objects[o], sample{tenant, at, series, id, st, 1 + rng.Int64N(1000)})
		}
	}
	for n, o := range objects {
		w.store(uint8(n%2), o, func() bool { return rng.IntN(3) == 0 })
	}
}

// stackOf returns a random stacktrace, some of which several services have.
func stackOf(service string, rng *rand.Rand) warehouse.Stacktrace {
	path := []string{"main"}
	if rng.IntN(2) == 0 {
		path = append(path, service+".serve")
	}
	for range rng.IntN(3) {
		path = append(path, fmt.Sprintf("f%d", rng.IntN(3)))
	}
	st := warehouse.Stacktrace{ID: warehouse.StacktraceID(hash(strings.Join(path, ";")))}
	for _, name := range slices.Backward(path) {
		st.Frames = append(st.Frames, warehouse.Frame{Function: name, SystemName: name, Filename: name + ".go", Line: 7})
	}
	return st
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func hash(s string) uint64 {
	return uint64(crc32.ChecksumIEEE([]byte(s)))<<32 | uint64(crc32.Checksum([]byte(s), castagnoli))
}

// store adds one object: a segment at level 0, else a block for each tenant and hour.
func (w *world) store(level uint8, rows []sample, again func() bool) {
	w.t.Helper()
	type key struct {
		tenant warehouse.Tenant
		hour   warehouse.Hour
	}
	groups := map[key][]sample{}
	for _, s := range rows {
		k := key{s.tenant, s.time.Hour()}
		groups[k] = append(groups[k], s)
	}
	keys := make([]key, 0, len(groups))
	for k := range groups {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int { return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.hour, b.hour)) })
	var segment []byte
	for i, k := range keys {
		if i == 0 || level > 0 {
			w.objects++
		}
		p := &warehouse.Part{Level: level, Format: block.FormatVersion, Tenant: k.tenant, Hour: k.hour}
		binary.BigEndian.PutUint64(p.Object[8:], w.objects)
		for t, rec := range w.encode(p, groups[k], again) {
			n := rec.NumRows()
			if n == 0 {
				rec.Release()
				continue
			}
			data, err := block.AppendParquet(nil, t, rec)
			rec.Release()
			require.NoError(w.t, err)
			section := warehouse.Section{Table: t, Size: int64(len(data)), Rows: n, CRC: crc32.Checksum(data, castagnoli)}
			if level == 0 {
				section.Offset = int64(len(segment))
				segment = append(segment, data...)
			} else {
				require.NoError(w.t, w.bucket.Put(context.Background(), block.SectionName(p, t), data))
			}
			p.Sections = append(p.Sections, section)
		}
		slices.SortFunc(p.Sections, func(a, b warehouse.Section) int { return cmp.Compare(a.Table, b.Table) })
		require.NoError(w.t, p.Validate())
		p.Masked = uint64(len(w.deletions))
		w.parts = append(w.parts, p)
	}
	if level == 0 && len(keys) > 0 {
		require.NoError(w.t, w.bucket.Put(context.Background(), block.SectionName(w.parts[len(w.parts)-1], warehouse.TableSamples), segment))
	}
	slices.SortStableFunc(w.parts, func(a, b *warehouse.Part) int { return cmp.Compare(a.Hour, b.Hour) })
	w.samples = append(w.samples, rows...)
}

func (w *world) encode(p *warehouse.Part, rows []sample, again func() bool) map[warehouse.Table]arrow.RecordBatch {
	slices.SortFunc(rows, func(a, b sample) int {
		return cmp.Or(strings.Compare(a.service(), b.service()), strings.Compare(a.series.Type.String(), b.series.Type.String()),
			cmp.Compare(a.series.ID, b.series.ID), cmp.Compare(a.time, b.time), slices.Compare(a.profile[:], b.profile[:]), cmp.Compare(a.stack.ID, b.stack.ID))
	})
	var dict block.Dicts
	var runs []block.Run
	var stacks []warehouse.StacktraceID
	var values []int64
	var profiles []block.ProfileRow
	series, defs := map[warehouse.SeriesID]warehouse.Series{}, map[warehouse.StacktraceID]warehouse.Stacktrace{}
	p.Range = warehouse.EmptyRange
	for i, s := range rows {
		if i == 0 || rows[i-1].profile != s.profile || rows[i-1].series.ID != s.series.ID {
			runs = append(runs, block.Run{Service: indexIn(&dict.Services, s.service()), Type: indexIn(&dict.Types, s.series.Type.String()),
				Series: s.series.ID, Time: s.time, Profile: s.profile})
			profiles = append(profiles, block.ProfileRow{Time: s.time, Service: s.service(), Type: s.series.Type.String(), Series: s.series.ID, ID: s.profile, Received: s.time})
			describe(p, &s)
		}
		runs[len(runs)-1].N++
		last := &profiles[len(profiles)-1]
		last.Samples, last.Value = last.Samples+1, last.Value+s.value
		d := &p.Datasets[len(p.Datasets)-1]
		d.Types[len(d.Types)-1].Rows++
		stacks, values = append(stacks, s.stack.ID), append(values, s.value)
		known := func(is func(*sample) bool) bool {
			return slices.ContainsFunc(w.samples, func(o sample) bool {
				return o.tenant == s.tenant && o.time.Hour() == p.Hour && o.service() == s.service() && is(&o)
			})
		}
		if !known(func(o *sample) bool { return o.series.ID == s.series.ID }) || again() {
			series[s.series.ID] = s.series
		}
		if !known(func(o *sample) bool { return o.stack.ID == s.stack.ID }) || again() {
			defs[s.stack.ID] = s.stack
		}
	}
	sortedSeries := make([]warehouse.Series, 0, len(series))
	for _, s := range series {
		sortedSeries = append(sortedSeries, s)
	}
	slices.SortFunc(sortedSeries, func(a, b warehouse.Series) int { return cmp.Compare(a.ID, b.ID) })
	sortedStacks := make([]warehouse.Stacktrace, 0, len(defs))
	for _, s := range defs {
		sortedStacks = append(sortedStacks, s)
	}
	slices.SortFunc(sortedStacks, func(a, b warehouse.Stacktrace) int { return cmp.Compare(a.ID, b.ID) })
	return map[warehouse.Table]arrow.RecordBatch{
		warehouse.TableSamples:     block.SamplesRecord(dict, runs, stacks, values, nil, nil),
		warehouse.TableProfiles:    block.ProfilesRecord(profiles),
		warehouse.TableSeries:      block.SeriesRecord(sortedSeries),
		warehouse.TableStacktraces: block.StacktracesRecord(sortedStacks),
	}
}

func indexIn(list *[]string, v string) int32 {
	if i := slices.Index(*list, v); i >= 0 {
		return int32(i)
	}
	*list = append(*list, v)
	return int32(len(*list) - 1)
}

// describe adds a profile to what the index knows of a part.
func describe(p *warehouse.Part, s *sample) {
	at := warehouse.TimeRange{From: s.time, To: s.time}
	p.Range = p.Range.Union(at)
	if n := len(p.Datasets); n == 0 || p.Datasets[n-1].Service != s.service() {
		p.Datasets = append(p.Datasets, warehouse.Dataset{Service: s.service()})
	}
	d := &p.Datasets[len(p.Datasets)-1]
	d.Profiles++
	if n := len(d.Types); n == 0 || d.Types[n-1].Type != s.series.Type.String() {
		d.Types = append(d.Types, warehouse.TypeStats{Type: s.series.Type.String(), Range: warehouse.EmptyRange})
	}
	ts := &d.Types[len(d.Types)-1]
	ts.Range = ts.Range.Union(at)
}

// session is a connection of tenant A.
func session() *Session {
	return &Session{Tenant: tenantA, User: "alice", PID: 7, Now: worldNow, Settings: map[string]string{"server_version": "15.0"}}
}

// answer is all rows of a statement, each as text.
type answer struct {
	columns []Column
	rows    []string
	stats   Stats
}

// ask runs a statement to its end.
func ask(ctx context.Context, s *Service, sess *Session, text string, args ...any) (*answer, error) {
	p, err := s.Prepare(ctx, sess, text, nil)
	if err != nil {
		return nil, err
	}
	rows, err := s.Execute(ctx, sess, p, args)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	a := &answer{columns: p.Columns}
	for {
		rec, err := rows.Next(ctx)
		if err == io.EOF {
			a.stats = rows.Stats()
			return a, nil
		}
		if err != nil {
			return nil, err
		}
		for i := range int(rec.NumRows()) {
			cells := make([]string, rec.NumCols())
			for c, col := range rec.Columns() {
				cells[c] = strings.Clone(col.ValueStr(i))
			}
			a.rows = append(a.rows, strings.Join(cells, " | "))
		}
	}
}

// must asks and fails the test on an error.
func must(t testing.TB, s *Service, text string, args ...any) []string {
	t.Helper()
	a, err := ask(t.Context(), s, session(), text, args...)
	require.NoError(t, err, text)
	return a.rows
}

// failure returns the *Error of a statement that must fail.
func failure(t testing.TB, s *Service, text string, args ...any) *Error {
	t.Helper()
	_, err := ask(t.Context(), s, session(), text, args...)
	require.Error(t, err, text)
	var e *Error
	require.True(t, errors.As(err, &e), "%s: %T %v", text, err, err)
	return e
}
