package ingest

import (
	"cmp"
	"slices"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// dataset is what a head holds of one dataset partition: its flights, and the
// definitions that are not registered there yet.
type dataset struct {
	key     warehouse.PartitionKey
	epoch   uint64
	flights []*flight
	series  map[warehouse.SeriesID]warehouse.Series         // new
	stacks  map[warehouse.StacktraceID]warehouse.Stacktrace // new
}

// newDataset collects the definitions of the flights that known lacks. An error
// means that a flight is inconsistent, which is a bug, and fails the dataset.
func newDataset(known *knownSet, flights []*flight) (*dataset, error) {
	d := &dataset{
		key: known.key, epoch: known.epoch, flights: flights,
		series: map[warehouse.SeriesID]warehouse.Series{},
		stacks: map[warehouse.StacktraceID]warehouse.Stacktrace{},
	}
	for _, f := range flights {
		for i := range f.prepared.Series {
			if err := d.define(known, f, i); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

func (d *dataset) define(known *knownSet, f *flight, series int) error {
	s := &f.prepared.Series[series]
	if _, ok := known.series[s.ID]; !ok {
		d.series[s.ID] = s.Series
	}
	if series > 0 && sameMemory(s.Stacks, f.prepared.Series[series-1].Stacks) {
		return nil // series of a profile share their stacks more often than not
	}
	for _, id := range s.Stacks {
		if _, ok := known.stacks[id]; ok {
			continue
		}
		if _, ok := d.stacks[id]; ok {
			continue
		}
		frames, ok := f.prepared.AppendFrames(nil, id)
		if !ok {
			return warehouse.Errorf(warehouse.Internal, "define stacktrace %d of profile %s: no frames", id, f.key.ID)
		}
		d.stacks[id] = warehouse.Stacktrace{ID: id, Frames: frames}
	}
	return nil
}

// sameMemory reports whether two slices are the same elements in the same memory.
func sameMemory[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// stats describes the dataset to the index.
func (d *dataset) stats() warehouse.Dataset {
	byType := map[string]*warehouse.TypeStats{}
	for _, f := range d.flights {
		at := warehouse.TimeRange{From: f.prepared.Time, To: f.prepared.Time}
		for i := range f.prepared.Series {
			s := &f.prepared.Series[i]
			name := s.Type.String()
			t, ok := byType[name]
			if !ok {
				t = &warehouse.TypeStats{Type: name, Range: warehouse.EmptyRange}
				byType[name] = t
			}
			t.Range = t.Range.Union(at)
			t.Rows += int64(len(s.Stacks))
		}
	}
	out := warehouse.Dataset{Service: d.key.Service, Profiles: int64(len(d.flights))}
	for _, t := range byType {
		out.Types = append(out.Types, *t)
	}
	slices.SortFunc(out.Types, func(a, b warehouse.TypeStats) int { return strings.Compare(a.Type, b.Type) })
	return out
}

// partBatch is what a head holds of one tenant and hour.
type partBatch struct {
	tenant   warehouse.Tenant
	hour     warehouse.Hour
	datasets []*dataset // sorted by service
}

// group splits a head into parts. Datasets that cannot be built are returned as
// failed, with their error; the rest is unharmed.
func group(known *knownSets, head []*flight) (parts []*partBatch, failed []failure) {
	byKey := map[warehouse.PartitionKey][]*flight{}
	for _, f := range head {
		byKey[f.partition()] = append(byKey[f.partition()], f)
	}
	keys := make([]warehouse.PartitionKey, 0, len(byKey))
	for key := range byKey {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, comparePartitions)
	for _, key := range keys {
		d, err := guarded(func() (*dataset, error) { return newDataset(known.get(key), byKey[key]) })
		if err != nil {
			failed = append(failed, failure{byKey[key], err})
			continue
		}
		last := len(parts) - 1
		if last < 0 || parts[last].tenant != key.Tenant || parts[last].hour != key.Hour {
			parts = append(parts, &partBatch{tenant: key.Tenant, hour: key.Hour})
			last++
		}
		parts[last].datasets = append(parts[last].datasets, d)
	}
	return parts, failed
}

func comparePartitions(a, b warehouse.PartitionKey) int {
	return cmp.Or(
		strings.Compare(string(a.Tenant), string(b.Tenant)),
		cmp.Compare(a.Hour, b.Hour),
		strings.Compare(a.Service, b.Service),
	)
}

// failure is a group of flights that cannot be stored, and why.
type failure struct {
	flights []*flight
	err     error
}

// guarded turns a panic of f into an Internal error, so that one dataset's bug
// cannot take down the others.
func guarded[T any](f func() (T, error)) (v T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = warehouse.Errorf(warehouse.Internal, "encode dataset: panic: %v", r)
		}
	}()
	return f()
}
