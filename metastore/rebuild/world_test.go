package rebuild

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore/manifest"
	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
	"github.com/stackhouse-db/stackhouse/warehouse/segment"
)

const (
	service = "checkout"
	cpu     = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
	nSeries = 6 // that there are
)

var (
	hour0   = warehouse.MicrosOf(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)).Hour()
	tenants = []warehouse.Tenant{"acme", "beta"}
)

// profile is one received profile of the world. Its rows are in one part.
type profile struct {
	key      warehouse.ProfileKey
	hour     warehouse.Hour
	series   warehouse.SeriesID
	received warehouse.Micros
	acked    bool
}

// world is ingesters, workers, a collector and a leader that writes manifests, as far
// as a bucket and the log see them. Everything that can fail does: registrations that
// are refused, or never made, leave their objects, and jobs do.
type world struct {
	t      *testing.T
	rng    *rand.Rand
	bucket object.Bucket
	state  *state.State
	now    time.Time
	index  uint64
	n      uint64

	profiles map[warehouse.ProfileKey]*profile
	recent   []*profile                                               // that may be sent again
	known    map[warehouse.PartitionKey]map[warehouse.SeriesID]uint64 // what the ingester takes as defined, with the epoch
	running  []*warehouse.Job
	gated    bool // nothing is deleted before a manifest knows of its death
	saved    uint64
	retired  map[hourKey]bool
	met      map[string]int
}

func newWorld(t *testing.T, seed uint64) *world {
	return &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 9)), bucket: object.NewMemory(), state: state.New(), now: hour0.Start().Time().Add(20 * time.Minute),
		profiles: map[warehouse.ProfileKey]*profile{}, known: map[warehouse.PartitionKey]map[warehouse.SeriesID]uint64{}, gated: true,
		retired: map[hourKey]bool{}, met: map[string]int{},
	}
}

func (w *world) micros() warehouse.Micros { return warehouse.MicrosOf(w.now) }

func (w *world) do(c state.Command) any {
	w.index++
	answer, err := w.state.Apply(w.index, state.Append(nil, w.micros(), c))
	require.NoError(w.t, err)
	return answer
}

// newID returns an id that carries the time. Ids of one instant are in order.
func (w *world) newID() (id warehouse.ObjectID) {
	w.n++
	_ = id.SetTime(uint64(w.now.UnixMilli()))
	binary.BigEndian.PutUint64(id[8:], w.n)
	return id
}

// push seals profiles, new ones and some that are sent again, and registers them
// until they are acknowledged or given up.
func (w *world) push() {
	var batch []*profile
	for range 1 + w.rng.IntN(4) {
		if len(w.recent) > 0 && w.rng.IntN(3) == 0 {
			p := w.recent[w.rng.IntN(len(w.recent))]
			if !slices.ContainsFunc(batch, func(q *profile) bool { return q.key == p.key }) && !w.retired[hourKey{p.key.Tenant, p.hour}] {
				again := *p
				again.received = w.micros() // it was received once more
				batch = append(batch, &again)
			}
			continue
		}
		w.n++
		p := &profile{hour: w.micros().Hour() - warehouse.Hour(w.rng.IntN(2)), series: warehouse.SeriesID(1 + w.rng.IntN(nSeries)), received: w.micros()}
		p.key.Tenant = tenants[w.rng.IntN(len(tenants))]
		binary.BigEndian.PutUint64(p.key.ID[8:], w.n)
		w.profiles[p.key] = p
		w.recent = append(w.recent, p)
		batch = append(batch, p)
	}
	for len(batch) > 0 {
		seg, data, defined := w.seal(batch)
		name := block.SegmentName(seg.Shard, seg.ID)
		w.put(name, data)
		if w.rng.IntN(12) == 0 { // nobody is answered, and nobody asks any more
			w.met["never registered"]++
			if w.rng.IntN(2) == 0 {
				w.do(state.AbortSegment{ID: seg.ID})
				w.met["aborted"]++
			}
			return
		}
		got := w.do(state.AddSegment{Segment: seg}).(warehouse.AddResult)
		if got.Outcome != warehouse.Added {
			if w.rng.IntN(2) == 0 {
				w.delete(name)
			}
			w.met[got.Outcome.String()]++
		}
		switch got.Outcome {
		case warehouse.Added:
			for k, ids := range defined {
				if w.known[k] == nil {
					w.known[k] = map[warehouse.SeriesID]uint64{}
				}
				for id, epoch := range ids {
					w.known[k][id] = epoch
				}
			}
			w.ack(seg.Profiles)
			return
		case warehouse.HasDuplicates:
			w.ack(got.Duplicates)
			batch = slices.DeleteFunc(batch, func(p *profile) bool { return slices.Contains(got.Duplicates, p.key) })
		case warehouse.HasStaleEpochs:
			for _, e := range got.Stale {
				w.known[e.Key] = map[warehouse.SeriesID]uint64{}
			}
		}
		if w.rng.IntN(6) == 0 {
			return // it is killed before it tries again
		}
	}
}

func (w *world) ack(keys []warehouse.ProfileKey) {
	for _, k := range keys {
		w.profiles[k].acked = true
	}
}

// seal makes a segment of profiles. What is known to be defined is left out.
func (w *world) seal(batch []*profile) (*warehouse.Segment, []byte, map[warehouse.PartitionKey]map[warehouse.SeriesID]uint64) {
	byHour := map[hourKey][]*profile{}
	for _, p := range batch {
		k := hourKey{p.key.Tenant, p.hour}
		byHour[k] = append(byHour[k], p)
	}
	keys := slices.SortedFunc(maps.Keys(byHour), func(a, b hourKey) int { return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.hour, b.hour)) })
	seg := &warehouse.Segment{ID: w.newID()}
	defined := map[warehouse.PartitionKey]map[warehouse.SeriesID]uint64{}
	var rows [][]block.ProfileRow
	var series [][]warehouse.SeriesID
	for _, k := range keys {
		pk := warehouse.PartitionKey{Tenant: k.tenant, Service: service, Hour: k.hour}
		epoch := w.state.View().Epoch(pk)
		if w.rng.IntN(8) > 0 { // the ingester knows of it late
			for _, e := range w.known[pk] {
				epoch = e
			}
		}
		defined[pk] = map[warehouse.SeriesID]uint64{}
		var own []block.ProfileRow
		for _, p := range byHour[k] {
			own = append(own, rowOf(p))
			seg.Profiles = append(seg.Profiles, p.key)
			if at, ok := w.known[pk][p.series]; !ok || at != epoch {
				defined[pk][p.series] = epoch
			}
		}
		rows = append(rows, own)
		series = append(series, slices.Sorted(maps.Keys(defined[pk])))
		seg.Epochs = append(seg.Epochs, warehouse.Epoch{Key: pk, Value: epoch})
		seg.Parts = append(seg.Parts, describe(seg.ID, 0, k, own))
	}
	b := segment.NewBuilder(seg)
	for i := range rows {
		for _, s := range encodeTables(w.t, rows[i], series[i]) {
			b.Section(i, s.table, s.rows, s.data)
		}
	}
	data, err := b.Finish()
	require.NoError(w.t, err)
	return seg, data, defined
}

func rowOf(p *profile) block.ProfileRow {
	return block.ProfileRow{
		Time: p.hour.Start() + warehouse.Micros(p.key.ID[15]), Service: service, Type: cpu, Series: p.series, ID: p.key.ID,
		Period: 1, Value: 10, Samples: 1, Received: p.received,
	}
}

// describe returns a part of the rows, without sections.
func describe(id warehouse.ObjectID, level uint8, k hourKey, rows []block.ProfileRow) warehouse.Part {
	span := warehouse.EmptyRange
	ids := map[warehouse.ProfileID]bool{}
	for _, r := range rows {
		span = span.Union(warehouse.TimeRange{From: r.Time, To: r.Time})
		ids[r.ID] = true
	}
	return warehouse.Part{
		Object: id, Level: level, Format: block.FormatVersion, Tenant: k.tenant, Hour: k.hour, Range: span,
		Datasets: []warehouse.Dataset{{Service: service, Profiles: int64(len(ids)), Types: []warehouse.TypeStats{{Type: cpu, Range: span, Rows: int64(len(rows))}}}},
	}
}

type tableData struct {
	table warehouse.Table
	rows  int64
	data  []byte
}

// encodeTables encodes rows with one sample each, and the definitions of series.
func encodeTables(t testing.TB, rows []block.ProfileRow, series []warehouse.SeriesID) (out []tableData) {
	slices.SortFunc(rows, func(a, b block.ProfileRow) int {
		return cmp.Or(cmp.Compare(a.Series, b.Series), cmp.Compare(a.Time, b.Time), slices.Compare(a.ID[:], b.ID[:]))
	})
	var runs []block.Run
	stacks, values := make([]warehouse.StacktraceID, len(rows)), make([]int64, len(rows))
	for i, r := range rows {
		runs = append(runs, block.Run{Series: r.Series, Time: r.Time, Profile: r.ID, N: 1})
		stacks[i], values[i] = 7, r.Value
	}
	typ, err := warehouse.ParseProfileType(cpu)
	require.NoError(t, err)
	var defs []warehouse.Series
	for _, id := range series {
		defs = append(defs, warehouse.Series{ID: id, Type: typ, Labels: warehouse.LabelsOf("n", fmt.Sprint(id), warehouse.LabelService, service)})
	}
	add := func(table warehouse.Table, rec arrow.RecordBatch) {
		defer rec.Release()
		if rec.NumRows() == 0 {
			return
		}
		data, err := block.AppendLoose(nil, table, rec)
		require.NoError(t, err)
		out = append(out, tableData{table, rec.NumRows(), data})
	}
	add(warehouse.TableSamples, block.SamplesRecord(block.Dicts{Services: []string{service}, Types: []string{cpu}}, runs, stacks, values, nil, nil))
	add(warehouse.TableProfiles, block.ProfilesRecord(rows))
	add(warehouse.TableSeries, block.SeriesRecord(defs))
	return out
}

func (w *world) put(name string, data []byte) {
	require.NoError(w.t, w.bucket.Put(w.t.Context(), name, data))
}

func (w *world) delete(name string) { require.NoError(w.t, w.bucket.Delete(w.t.Context(), name)) }

// merge takes a job, or does one: it stores blocks, all or some, and registers them,
// or not.
func (w *world) merge() {
	if len(w.running) == 0 || w.rng.IntN(2) == 0 {
		p := state.DefaultPolicy()
		p.MaxSegments, p.MinSegments, p.MaxBlocks, p.Quiet = 3, 2, 2, 0
		c := state.TakeJobs{Worker: "w", Max: 2, Lease: time.Minute, Plans: w.state.View().Plans(&p, w.micros(), 2)}
		w.running = append(w.running, w.do(c).([]*warehouse.Job)...)
		return
	}
	i := w.rng.IntN(len(w.running))
	j := w.running[i]
	w.running = slices.Delete(w.running, i, i+1)
	var outputs []warehouse.Part
	rows, series := w.read(j.Inputs)
	if rows == nil {
		return // it was late, and its inputs are gone
	}
	k := hourKey{j.Tenant, j.Hour}
	half := len(rows)
	if w.rng.IntN(2) == 0 {
		half = (half + 1) / 2 // two blocks
	}
	for len(rows) > 0 {
		n := min(half, len(rows))
		p, isWhole := w.putBlock(k, j, rows[:n:n], series)
		outputs = append(outputs, p)
		rows = rows[n:]
		if !isWhole || len(rows) > 0 && w.rng.IntN(6) == 0 {
			w.met["half a job"]++
			return
		}
	}
	if w.rng.IntN(4) == 0 {
		w.met["job without an end"]++
		return
	}
	w.met[w.do(state.FinishJob{Job: j.JobRef, Outputs: outputs}).(state.FinishOutcome).String()]++
}

func (w *world) putBlock(k hourKey, j *warehouse.Job, rows []block.ProfileRow, series []warehouse.SeriesID) (_ warehouse.Part, isWhole bool) {
	p := describe(w.newID(), j.Level, k, rows)
	var sources []warehouse.ObjectID
	for _, in := range j.Inputs {
		sources = append(sources, in.Object)
	}
	for _, s := range encodeTables(w.t, rows, series) {
		p.Sections = append(p.Sections, warehouse.Section{Table: s.table, Size: int64(len(s.data)), Rows: s.rows, CRC: segment.Checksum(s.data)})
		w.put(block.SectionName(&p, s.table), s.data)
	}
	meta, err := block.EncodeMeta(&p, sources)
	require.NoError(w.t, err)
	if w.rng.IntN(15) == 0 {
		return p, false
	}
	w.put(path.Join(block.BlockDir(&p), block.MetaName), meta)
	return p, true
}

// read returns what parts hold, nil if one is gone.
func (w *world) read(parts []*warehouse.Part) (rows []block.ProfileRow, series []warehouse.SeriesID) {
	all := map[warehouse.SeriesID]bool{}
	for _, p := range parts {
		err := readRows(context.Background(), w.bucket, p, func(r block.ProfileRow) { rows = append(rows, r) })
		if warehouse.KindOf(err) == warehouse.NotFound {
			return nil, nil
		}
		require.NoError(w.t, err)
		for _, id := range seriesIn(w.t, w.bucket, p) {
			all[id] = true
		}
	}
	slices.SortFunc(rows, func(a, b block.ProfileRow) int {
		return cmp.Or(cmp.Compare(a.Series, b.Series), cmp.Compare(a.Time, b.Time), slices.Compare(a.ID[:], b.ID[:]))
	})
	return rows, slices.Sorted(maps.Keys(all))
}

func seriesIn(t *testing.T, b object.Bucket, p *warehouse.Part) (ids []warehouse.SeriesID) {
	s, ok := p.Section(warehouse.TableSeries)
	if !ok {
		return nil
	}
	data, err := b.Read(t.Context(), block.SectionName(p, s.Table), s.Offset, s.Size)
	require.NoError(t, err)
	require.NoError(t, block.ReadSeries(data, func(x warehouse.Series) error { ids = append(ids, x.ID); return nil }))
	return ids
}

// collect deletes dead objects: those whose death a manifest knows of, or all.
func (w *world) collect() {
	var gone []warehouse.ObjectID
	for _, d := range w.state.View().Tombstones() {
		if w.gated && d.Index > w.saved {
			break
		}
		if w.rng.IntN(8) == 0 {
			break
		}
		for _, name := range block.ObjectNames(&d.Part) {
			w.delete(name)
		}
		gone = append(gone, d.Part.Object)
	}
	if len(gone) > 0 && w.rng.IntN(8) > 0 {
		w.do(state.ForgetTombstones{Objects: gone})
		w.met["deleted"] += len(gone)
	}
}

func (w *world) save() {
	_, err := manifest.Write(w.t.Context(), w.bucket, w.state.View(), w.micros())
	require.NoError(w.t, err)
	require.NoError(w.t, manifest.Prune(w.t.Context(), w.bucket))
	w.saved = w.state.Index()
}

// undefine merges all parts of an hour and drops the definitions that nothing needs.
func (w *world) undefine() {
	v := w.state.View()
	tenant := tenants[w.rng.IntN(len(tenants))]
	k := hourKey{tenant, w.micros().Hour() - warehouse.Hour(w.rng.IntN(2))}
	parts := slices.DeleteFunc(slices.Clone(v.Parts(tenant, warehouse.TimeRange{From: k.hour.Start(), To: k.hour.End() - 1})),
		func(p *warehouse.Part) bool { return p.Hour != k.hour })
	rows, _ := w.read(parts)
	if rows == nil {
		return
	}
	used := map[warehouse.SeriesID]bool{}
	for _, r := range rows {
		used[r.Series] = true
	}
	out, isWhole := w.putBlock(k, &warehouse.Job{Level: 3, Inputs: parts}, rows, slices.Sorted(maps.Keys(used)))
	if !isWhole {
		return
	}
	c := state.ReplaceParts{ID: w.newID(), Add: []warehouse.Part{out}, Undefs: []warehouse.PartitionKey{{Tenant: tenant, Service: service, Hour: k.hour}}}
	for _, p := range parts {
		c.Remove = append(c.Remove, state.PartRef{Object: p.Object, Tenant: tenant, Hour: k.hour})
	}
	require.Equal(w.t, state.Replaced, w.do(c).(state.ReplaceResult).Outcome)
}

func (w *world) expire() {
	if w.do(state.Expire{}).(int) > 0 {
		w.met["retired"]++
	}
}

// step does something.
func (w *world) step() {
	w.now = w.now.Add(time.Duration(w.rng.IntN(3000)) * time.Millisecond)
	if w.rng.IntN(200) == 0 {
		w.now = w.now.Add(time.Duration(w.rng.IntN(40)) * time.Minute)
		w.recent = nil // who sends a profile again does so soon
	}
	if len(w.recent) > 30 {
		w.recent = w.recent[10:]
	}
	switch n := w.rng.IntN(20); {
	case n < 10:
		w.push()
	case n < 16:
		w.merge()
	case n < 18:
		w.collect()
	case n < 19:
		w.expire()
		if w.rng.IntN(3) == 0 {
			w.undefine()
		}
	default:
		if w.rng.IntN(3) == 0 {
			w.save()
		}
	}
}

// counts returns how often a state counts each profile, and checks that each series
// is defined.
func (w *world) counts(v *state.View) map[warehouse.ProfileKey]int {
	n := map[warehouse.ProfileKey]int{}
	used, defined := map[hourKey]map[warehouse.SeriesID]bool{}, map[hourKey]map[warehouse.SeriesID]bool{}
	v.EachPart(func(p *warehouse.Part) {
		k := hourKey{p.Tenant, p.Hour}
		if used[k] == nil {
			used[k], defined[k] = map[warehouse.SeriesID]bool{}, map[warehouse.SeriesID]bool{}
		}
		err := readRows(w.t.Context(), w.bucket, p, func(r block.ProfileRow) {
			n[warehouse.ProfileKey{Tenant: p.Tenant, ID: r.ID}]++
			used[k][r.Series] = true
		})
		require.NoError(w.t, err)
		for _, id := range seriesIn(w.t, w.bucket, p) {
			defined[k][id] = true
		}
	})
	for k := range used {
		for id := range used[k] {
			require.True(w.t, defined[k][id], "series %d of %s %s is not defined", id, k.tenant, k.hour)
		}
	}
	return n
}
