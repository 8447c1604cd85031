package ingest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	whprofile "github.com/stackhouse-db/stackhouse/warehouse/profile"
	"github.com/stackhouse-db/stackhouse/warehouse/segment"
)

// fakeStore is a bucket in memory whose operations can fail.
type fakeStore struct {
	mu      sync.Mutex
	objects map[string][]byte
	putErr  func(name string) error // nil: no faults
}

func newFakeStore() *fakeStore { return &fakeStore{objects: map[string][]byte{}} }

func (s *fakeStore) Put(_ context.Context, name string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.putErr != nil {
		if err := s.putErr(name); err != nil {
			return err
		}
	}
	s.objects[name] = bytes.Clone(data)
	return nil
}

func (s *fakeStore) Delete(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, name)
	return nil
}

// fakeRegistrar keeps the metastore's promises in the plainest way.
type fakeRegistrar struct {
	mu       sync.Mutex
	live     map[warehouse.ObjectID]*warehouse.Segment
	aborted  map[warehouse.ObjectID]bool
	ids      map[warehouse.ProfileKey]warehouse.ObjectID
	epochs   map[warehouse.PartitionKey]uint64
	addErr   func() error // before the effect
	lostErr  func() error // after the effect
	outcomes []warehouse.AddOutcome
}

func newFakeRegistrar() *fakeRegistrar {
	return &fakeRegistrar{
		live:    map[warehouse.ObjectID]*warehouse.Segment{},
		aborted: map[warehouse.ObjectID]bool{},
		ids:     map[warehouse.ProfileKey]warehouse.ObjectID{},
		epochs:  map[warehouse.PartitionKey]uint64{},
	}
}

func (r *fakeRegistrar) AddSegment(_ context.Context, seg *warehouse.Segment) (warehouse.AddResult, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.addErr != nil {
		if err := r.addErr(); err != nil {
			return warehouse.AddResult{}, err
		}
	}
	res := r.add(seg)
	r.outcomes = append(r.outcomes, res.Outcome)
	if r.lostErr != nil {
		if err := r.lostErr(); err != nil {
			return warehouse.AddResult{}, err
		}
	}
	return res, nil
}

func (r *fakeRegistrar) add(seg *warehouse.Segment) (res warehouse.AddResult) {
	if r.live[seg.ID] != nil {
		return res
	}
	if r.aborted[seg.ID] {
		return warehouse.AddResult{Outcome: warehouse.WasAborted}
	}
	for _, key := range seg.Profiles {
		if _, ok := r.ids[key]; ok {
			res.Outcome = warehouse.HasDuplicates
			res.Duplicates = append(res.Duplicates, key)
		}
	}
	if res.Outcome == warehouse.HasDuplicates {
		return res
	}
	for _, e := range seg.Epochs {
		if r.epochs[e.Key] != e.Value {
			res.Outcome = warehouse.HasStaleEpochs
			res.Stale = append(res.Stale, warehouse.Epoch{Key: e.Key, Value: r.epochs[e.Key]})
		}
	}
	if res.Outcome == warehouse.HasStaleEpochs {
		return res
	}
	r.live[seg.ID] = seg
	for _, key := range seg.Profiles {
		r.ids[key] = seg.ID
	}
	return res
}

func (r *fakeRegistrar) AbortSegment(_ context.Context, id warehouse.ObjectID) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live[id] != nil {
		return true, nil
	}
	r.aborted[id] = true
	return false, nil
}

// bumpEpoch does what a final merge may do: what was defined before is not to be
// relied on any more.
func (r *fakeRegistrar) bumpEpoch(key warehouse.PartitionKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epochs[key]++
}

// rig is an ingester that runs over the fakes.
type rig struct {
	*Ingester
	store *fakeStore
	reg   *fakeRegistrar
	stop  func() // stops Run and waits for it
}

func newRig(t *testing.T, change func(*Options)) *rig {
	t.Helper()
	r := &rig{store: newFakeStore(), reg: newFakeRegistrar()}
	o := Options{Store: r.store, Registrar: r.reg, MinFlushEvery: time.Microsecond, MaxFlushEvery: time.Microsecond}
	if change != nil {
		change(&o)
	}
	in, err := New(o)
	require.NoError(t, err)
	r.Ingester = in
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	var once sync.Once
	r.stop = func() { once.Do(func() { cancel(); require.NoError(t, <-done) }) }
	t.Cleanup(r.stop)
	return r
}

// at is the time of test profiles: recent, in the middle of an hour.
var at = time.Date(2026, 11, 20, 10, 30, 0, 0, time.UTC)

// pprofBody returns a CPU profile with one sample a stack; a stack is a list of
// function names, leaf first, joined by the caller's choice of frames.
func pprofBody(t testing.TB, when time.Time, stacks map[string]int64) []byte {
	t.Helper()
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"},
		Period:     10_000_000,
		TimeNanos:  when.UnixNano(), DurationNanos: int64(15 * time.Second),
	}
	for name, value := range stacks {
		var locs []*profile.Location
		for _, fn := range []string{name, "main.main"} {
			f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: fn, SystemName: fn, Filename: "main.go", StartLine: 1}
			p.Function = append(p.Function, f)
			l := &profile.Location{ID: uint64(len(p.Location) + 1), Line: []profile.Line{{Function: f, Line: 7}}}
			p.Location = append(p.Location, l)
			locs = append(locs, l)
		}
		p.Sample = append(p.Sample, &profile.Sample{Location: locs, Value: []int64{value}})
	}
	var b bytes.Buffer
	require.NoError(t, p.Write(&b))
	return b.Bytes()
}

func raw(service string, body []byte) whprofile.Raw {
	return whprofile.Raw{
		Labels: []warehouse.Label{{Name: "__name__", Value: "process_cpu"}, {Name: "service_name", Value: service}},
		Body:   body,
	}
}

func requireStored(t *testing.T, results []warehouse.PushResult) {
	t.Helper()
	for i, r := range results {
		require.NoError(t, r.Err, "profile %d", i)
	}
}

// contents is what the live segments of a rig hold.
type contents struct {
	samples  map[string]int64 // "tenant service leaf" → sum
	profiles int64
	rows     int64
}

// read decodes every live segment and checks the promise about definitions.
func (r *rig) read(t testing.TB) contents {
	t.Helper()
	r.reg.mu.Lock()
	defer r.reg.mu.Unlock()
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	c := contents{samples: map[string]int64{}}
	type scope struct {
		tenant warehouse.Tenant
		hour   warehouse.Hour
	}
	type row struct {
		block.SampleRow
		scope scope
	}
	stacks := map[warehouse.PartitionKey]map[warehouse.StacktraceID]string{}
	series := map[scope]map[warehouse.SeriesID]warehouse.Series{}
	var rows []row
	for id, seg := range r.reg.live {
		data := r.store.objects[block.SegmentName(seg.Shard, id)]
		require.NoError(t, segment.Check(data))
		stored, err := segment.Decode(data)
		require.NoError(t, err)
		require.Equal(t, seg, stored, "the footer repeats what was registered")
		for i := range seg.Parts {
			p := &seg.Parts[i]
			sc := scope{p.Tenant, p.Hour}
			for _, d := range p.Datasets {
				c.profiles += d.Profiles
			}
			for _, sec := range p.Sections {
				bytes := data[sec.Offset : sec.Offset+sec.Size]
				switch sec.Table {
				case warehouse.TableSamples:
					require.NoError(t, block.ReadSamples(bytes, func(s block.SampleRow) error {
						rows = append(rows, row{s, sc})
						return nil
					}))
				case warehouse.TableSeries:
					require.NoError(t, block.ReadSeries(bytes, func(s warehouse.Series) error {
						if series[sc] == nil {
							series[sc] = map[warehouse.SeriesID]warehouse.Series{}
						}
						series[sc][s.ID] = s
						return nil
					}))
				case warehouse.TableStacktraces:
					require.NoError(t, block.ReadStacktraces(bytes, func(st warehouse.Stacktrace) error {
						for _, d := range p.Datasets {
							key := warehouse.PartitionKey{Tenant: p.Tenant, Service: d.Service, Hour: p.Hour}
							if stacks[key] == nil {
								stacks[key] = map[warehouse.StacktraceID]string{}
							}
							stacks[key][st.ID] = st.Frames[0].Function
						}
						return nil
					}))
				}
			}
		}
	}
	for _, row := range rows {
		key := warehouse.PartitionKey{Tenant: row.scope.tenant, Service: row.Service, Hour: row.Time.Hour()}
		leaf, ok := stacks[key][row.Stacktrace]
		require.True(t, ok, "stacktrace %d of %v is defined in its dataset partition", row.Stacktrace, key)
		s, ok := series[row.scope][row.Series]
		require.True(t, ok, "series %d of %v is defined", row.Series, key)
		require.Equal(t, row.Service, s.Service())
		c.samples[fmt.Sprintf("%s %s %s", row.scope.tenant, row.Service, leaf)] += row.Value
		c.rows++
	}
	return c
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
