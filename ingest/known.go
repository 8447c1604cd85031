package ingest

import (
	"container/list"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// knownSets remembers, for each dataset partition, which definitions are
// registered, so that a segment repeats only what is new.
//
// Forgetting is always safe: a definition written twice is harmless. Hence the
// byte budget: the least recently used partition is forgotten as a whole.
//
// Invariant: an id is in a set only if a registered segment of the partition
// defines it under the set's epoch.
//
// Concurrency: owned by one shard's goroutine.
type knownSets struct {
	budget int64
	bytes  int64
	sets   map[warehouse.PartitionKey]*list.Element // of *knownSet
	recent *list.List                               // front: used last
}

type knownSet struct {
	key    warehouse.PartitionKey
	epoch  uint64
	stacks map[warehouse.StacktraceID]struct{}
	series map[warehouse.SeriesID]struct{}
}

// Estimates of what Go maps of 8-byte keys take, per entry and at rest.
const (
	bytesPerKnownID  = 24
	bytesPerKnownSet = 512
)

func newKnownSets(budget int64) *knownSets {
	return &knownSets{budget: budget, sets: map[warehouse.PartitionKey]*list.Element{}, recent: list.New()}
}

// get returns the partition's set, an empty one if nothing is remembered.
func (k *knownSets) get(key warehouse.PartitionKey) *knownSet {
	if e, ok := k.sets[key]; ok {
		k.recent.MoveToFront(e)
		return e.Value.(*knownSet)
	}
	return k.put(newKnownSet(key, 0))
}

func (k *knownSets) put(s *knownSet) *knownSet {
	k.sets[s.key] = k.recent.PushFront(s)
	k.bytes += s.bytes()
	return s
}

func newKnownSet(key warehouse.PartitionKey, epoch uint64) *knownSet {
	return &knownSet{
		key: key, epoch: epoch,
		stacks: map[warehouse.StacktraceID]struct{}{},
		series: map[warehouse.SeriesID]struct{}{},
	}
}

func (s *knownSet) bytes() int64 {
	return bytesPerKnownSet + int64(len(s.stacks)+len(s.series))*bytesPerKnownID
}

// add records definitions that are registered now, and evicts what is over the
// budget.
func (k *knownSets) add(key warehouse.PartitionKey, series []warehouse.SeriesID, stacks []warehouse.StacktraceID) {
	s := k.get(key)
	before := s.bytes()
	for _, id := range series {
		s.series[id] = struct{}{}
	}
	for _, id := range stacks {
		s.stacks[id] = struct{}{}
	}
	k.bytes += s.bytes() - before
	for k.bytes > k.budget && k.recent.Len() > 0 {
		k.drop(k.recent.Back())
	}
}

// shareNew estimates which share of the stacks is not known, from a few of them:
// ids are hashes, so that those at equal distances are as good as random ones.
func (k *knownSets) shareNew(key warehouse.PartitionKey, stacks []warehouse.StacktraceID) float64 {
	const most = 32
	e, ok := k.sets[key]
	if !ok || len(stacks) == 0 {
		return 1
	}
	known := e.Value.(*knownSet).stacks
	step := max(1, len(stacks)/most)
	seen, fresh := 0, 0
	for i := 0; i < len(stacks); i += step {
		seen++
		if _, ok := known[stacks[i]]; !ok {
			fresh++
		}
	}
	return float64(fresh) / float64(seen)
}

// reset forgets the partition and takes over its current epoch.
func (k *knownSets) reset(e warehouse.Epoch) {
	if old, ok := k.sets[e.Key]; ok {
		k.drop(old)
	}
	k.put(newKnownSet(e.Key, e.Value))
}

func (k *knownSets) drop(e *list.Element) {
	s := k.recent.Remove(e).(*knownSet)
	k.bytes -= s.bytes()
	delete(k.sets, s.key)
}
