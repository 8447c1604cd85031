package metastore

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

const tenant warehouse.Tenant = "acme"

const service = "checkout"

var (
	hour0      = warehouse.MicrosOf(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)).Hour()
	everything = warehouse.TimeRange{From: warehouse.MinTime, To: warehouse.MaxTime}
)

// clock is a clock that stands until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: (hour0 + 1).Start().Time()} }

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// node is a running metastore.
type node struct {
	*Metastore
	t      testing.TB
	cancel context.CancelFunc
	ended  chan error
	once   sync.Once
}

// quiet are options under which nothing happens by itself.
func quiet(dir string) Options {
	return Options{Dir: dir, tuning: tuning{
		gcEvery: time.Hour, retainEvery: time.Hour, compactEvery: time.Hour, logSegment: 1 << 20,
	}, SweepAfter: time.Hour, ManifestEvery: -1}
}

// start opens and runs a metastore until the test ends.
func start(t testing.TB, o Options) *node {
	t.Helper()
	m, err := Open(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	n := &node{Metastore: m, t: t, cancel: cancel, ended: make(chan error, 1)}
	go func() { n.ended <- m.Run(ctx) }()
	t.Cleanup(func() { n.stop() })
	require.NoError(t, m.WaitReady(within(t, 10*time.Second)))
	return n
}

// stop ends the metastore cleanly.
func (n *node) stop() {
	n.once.Do(func() {
		n.cancel()
		require.NoError(n.t, <-n.ended)
	})
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func (n *node) ctx() context.Context { return within(n.t, 20*time.Second) }

func (n *node) add(s *warehouse.Segment) warehouse.AddOutcome {
	n.t.Helper()
	r, err := n.AddSegment(n.ctx(), s)
	require.NoError(n.t, err)
	return r.Outcome
}

func (n *node) mustAdd(s *warehouse.Segment) {
	n.t.Helper()
	require.Equal(n.t, warehouse.Added, n.add(s))
}

// replace puts a block in the place of segments' parts.
func (n *node) replace(block int, segments ...int) {
	n.t.Helper()
	r := Replacement{ID: objectID(500_000 + block), Add: []warehouse.Part{part(block, 1, tenant, hour0)}}
	for _, s := range segments {
		r.Remove = append(r.Remove, PartRef{Object: objectID(s), Tenant: tenant, Hour: hour0})
	}
	got, err := n.ReplaceParts(n.ctx(), r)
	require.NoError(n.t, err)
	require.Equal(n.t, state.Replaced, got.Outcome)
}

func (n *node) live() []warehouse.ObjectID {
	n.t.Helper()
	s, err := n.Snapshot(n.ctx())
	require.NoError(n.t, err)
	defer s.Release()
	return objectsOf(s)
}

func (n *node) digest() [32]byte { return n.fsm.view.Load().Digest() }

func objectsOf(s *Snapshot) []warehouse.ObjectID {
	ids := []warehouse.ObjectID{}
	for _, p := range s.Parts(tenant, everything) {
		ids = append(ids, p.Object)
	}
	return ids
}

// objectID is the id of the n-th object, made at a time that has not come yet: none
// is too old.
func objectID(n int) (id warehouse.ObjectID) {
	id[0] = 0x7f
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func idsOf(ns ...int) []warehouse.ObjectID {
	ids := []warehouse.ObjectID{}
	for _, n := range ns {
		ids = append(ids, objectID(n))
	}
	return ids
}

func rangeOf(from, to int) []warehouse.ObjectID {
	ids := []warehouse.ObjectID{}
	for n := from; n < to; n++ {
		ids = append(ids, objectID(n))
	}
	return ids
}

func part(n int, level uint8, t warehouse.Tenant, h warehouse.Hour) warehouse.Part {
	span := warehouse.TimeRange{From: h.Start(), To: h.Start() + 15e6}
	return warehouse.Part{
		Object: objectID(n), Level: level, Format: 1, Tenant: t, Hour: h, Range: span,
		Datasets: []warehouse.Dataset{{Service: service, Profiles: 1}},
		Sections: []warehouse.Section{{Table: warehouse.TableSamples, Size: 100, Rows: 5}},
	}
}

// segment has one profile, whose id is n.
func segment(n int) *warehouse.Segment {
	var profile warehouse.ProfileID
	binary.BigEndian.PutUint64(profile[8:], uint64(n))
	return &warehouse.Segment{
		ID: objectID(n), Size: 1000,
		Parts:    []warehouse.Part{part(n, 0, tenant, hour0)},
		Profiles: []warehouse.ProfileKey{{Tenant: tenant, ID: profile}},
	}
}

// image copies a directory: what is left of a node that is killed now.
func image(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

// logFiles returns the log's files, oldest first.
func logFiles(t testing.TB, dir string) []string {
	files, err := filepath.Glob(filepath.Join(dir, logDir, "*.wal"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

func snapshotDirs(t testing.TB, dir string) []string {
	dirs, err := filepath.Glob(filepath.Join(dir, snapshotsDir, "*-*"))
	require.NoError(t, err)
	return dirs
}

// rewrite changes a file's bytes.
func rewrite(t testing.TB, path string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, change(data), 0o640))
}

// eventually waits for a condition that another goroutine makes true.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 10*time.Second, time.Millisecond, what)
}

func set(name, value string) Setting { return Setting{Name: name, Value: value} }

// valueOf reads a counter.
func valueOf(t testing.TB, c prometheus.Counter) float64 {
	var m dto.Metric
	require.NoError(t, c.Write(&m))
	return m.GetCounter().GetValue()
}
