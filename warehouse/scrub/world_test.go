package scrub

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
	"github.com/stackhouse-db/stackhouse/warehouse/segment"
)

const worldType = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"

// world is a bucket with an index.
type world struct {
	bucket object.Bucket
	files  *object.Filesystem
	rng    *rand.Rand
	n      int

	mu     sync.Mutex
	parts  []*warehouse.Part
	pins   int
	onPin  func() // called before each snapshot
	absent error  // of snapshots
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	files, err := object.NewFilesystem(tb.TempDir())
	require.NoError(tb, err)
	return &world{bucket: files, files: files, rng: rand.New(rand.NewPCG(1, 2))}
}

// Snapshot implements Index.
func (w *world) Snapshot(context.Context) (Snapshot, error) {
	if w.onPin != nil {
		w.onPin()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.absent != nil {
		return nil, w.absent
	}
	w.pins++
	return &worldSnapshot{w, slices.Clone(w.parts)}, nil
}

type worldSnapshot struct {
	world *world
	parts []*warehouse.Part
}

func (s *worldSnapshot) Release() {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	s.world.pins--
}

func (s *worldSnapshot) Tenants() (out []warehouse.Tenant) {
	for _, p := range s.parts {
		if !slices.Contains(out, p.Tenant) {
			out = append(out, p.Tenant)
		}
	}
	return append(out, "empty")
}

func (s *worldSnapshot) Bounds(t warehouse.Tenant) warehouse.TimeRange {
	all := warehouse.EmptyRange
	for _, p := range s.parts {
		if p.Tenant == t {
			all = all.Union(p.Range)
		}
	}
	return all
}

func (s *worldSnapshot) Parts(t warehouse.Tenant, r warehouse.TimeRange) (out []*warehouse.Part) {
	for _, p := range s.parts {
		if p.Tenant == t && p.Range.Overlaps(r) {
			out = append(out, p)
		}
	}
	return out
}

// remove makes an object one that is not live.
func (w *world) remove(id warehouse.ObjectID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts = slices.DeleteFunc(w.parts, func(p *warehouse.Part) bool { return p.Object == id })
}

func (w *world) add(parts ...*warehouse.Part) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts = append(w.parts, parts...)
}

// id returns an id made at a time.
func (w *world) id(at time.Time) (id warehouse.ObjectID) {
	w.n++
	_ = id.SetTime(uint64(at.UnixMilli()))
	binary.BigEndian.PutUint64(id[8:], uint64(w.n))
	return id
}

func (w *world) bytes(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(w.rng.Uint32())
	}
	return data
}

func (w *world) part(id warehouse.ObjectID, level uint8, tenant warehouse.Tenant, h warehouse.Hour) warehouse.Part {
	r := warehouse.TimeRange{From: h.Start(), To: h.Start() + 9}
	return warehouse.Part{
		Object: id, Level: level, Format: block.FormatVersion, Tenant: tenant, Hour: h, Range: r,
		Datasets: []warehouse.Dataset{{Service: "cart", Profiles: 1, Types: []warehouse.TypeStats{{Type: worldType, Range: r, Rows: 3}}}},
	}
}

// segment stores a segment of two parts, with tables of so many bytes.
func (w *world) segment(tb testing.TB, at time.Time, sizes ...int) *target {
	tb.Helper()
	id := w.id(at)
	seg := &warehouse.Segment{ID: id}
	for i, tenant := range []warehouse.Tenant{"a", "b"} {
		seg.Parts = append(seg.Parts, w.part(id, 0, tenant, 490000+warehouse.Hour(i)))
	}
	b := segment.NewBuilder(seg)
	for i := range seg.Parts {
		for k, size := range sizes {
			b.Section(i, warehouse.Table(k+1), 3, w.bytes(size))
		}
	}
	data, err := b.Finish()
	require.NoError(tb, err)
	require.NoError(tb, w.bucket.Put(tb.Context(), block.SegmentName(0, id), data))
	t := &target{id: id}
	for i := range seg.Parts {
		t.add(&seg.Parts[i])
	}
	w.add(t.parts...)
	return t
}

// block stores a block with tables of so many bytes.
func (w *world) block(tb testing.TB, at time.Time, sizes ...int) *target {
	tb.Helper()
	p := w.part(w.id(at), 3, "a", 490000)
	tables := make([][]byte, len(sizes))
	for k, size := range sizes {
		tables[k] = w.bytes(size)
		p.Sections = append(p.Sections, warehouse.Section{Table: warehouse.Table(k + 1), Size: int64(size), Rows: 3, CRC: segment.Checksum(tables[k])})
	}
	for k := range tables {
		require.NoError(tb, w.bucket.Put(tb.Context(), block.SectionName(&p, warehouse.Table(k+1)), tables[k]))
	}
	meta, err := block.EncodeMeta(&p, []warehouse.ObjectID{ulid.Make()})
	require.NoError(tb, err)
	require.NoError(tb, w.bucket.Put(tb.Context(), path.Join(block.BlockDir(&p), block.MetaName), meta))
	t := &target{id: p.Object}
	t.add(&p)
	w.add(&p)
	return t
}

// edit changes an object in place.
func (w *world) edit(tb testing.TB, name string, change func(data []byte) []byte) {
	tb.Helper()
	file, ok := w.files.LocalPath(name)
	require.True(tb, ok)
	data, err := os.ReadFile(file)
	require.NoError(tb, err)
	require.NoError(tb, os.WriteFile(file, change(data), 0o600))
}

func flipAt(at int64, mask byte) func([]byte) []byte {
	return func(data []byte) []byte {
		data[at] ^= mask
		return data
	}
}

func (w *world) scrubber(tb testing.TB, change func(*Options)) (*Scrubber, *Register) {
	tb.Helper()
	o := Options{Index: w, Bucket: w.bucket, Register: OpenRegister(RegisterOptions{})}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	require.NoError(tb, err)
	return s, o.Register
}

// pass verifies everything and returns the summary and what is damaged.
func pass(tb testing.TB, s *Scrubber) (*Summary, []Finding) {
	tb.Helper()
	var found []Finding
	sum, err := s.Pass(tb.Context(), Events{Damaged: func(f Finding) { found = append(found, f) }})
	require.NoError(tb, err)
	return sum, found
}

// metric returns a counter or gauge.
func metric(tb testing.TB, reg prometheus.Gatherer, name string) float64 {
	tb.Helper()
	families, err := reg.Gather()
	require.NoError(tb, err)
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	tb.Fatalf("no metric %s", name)
	return 0
}
