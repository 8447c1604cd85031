package ingest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// shard owns the profiles of some services, from their arrival to the answer.
// It has at most one segment on its way: what arrives meanwhile forms the next
// head, so that the flush time sets the size of segments (group commit).
//
// Where several tenants push, none waits long for another: heads are small, and
// those that rarely push are sealed first and soon.
type shard struct {
	id           uint32
	segmentBytes int64      // estimated size at which a head is cut
	known        *knownSets // owned by run
	pace         pacer      // owned by run
	prompt       pacer      // of seals for quiet tenants; owned by run

	mu struct {
		sync.Mutex
		queues map[warehouse.Tenant][]*flight
		order  []warehouse.Tenant // tenants with a queue; the first is next in turn
		quiet  []warehouse.Tenant // those of them that had been quiet before
		closed bool               // no more arrivals; never turns back

		last     warehouse.Tenant // who pushed last
		lastAt   time.Time
		sharedAt time.Time                      // when that was another than before
		recent   map[warehouse.Tenant]time.Time // last arrivals, of the last quietFor at least
	}
	arrived chan struct{} // holds a token when the queue may be non-empty; capacity 1
}

const (
	// quietFor is how long a tenant has not pushed whose next profile is sealed soon.
	quietFor = 50 * time.Millisecond
	// sharedFor is how long a shard counts as shared after two tenants took turns.
	sharedFor = 10 * time.Second
	// sharedRows and sharedCut are the parts of a segment's size at which heads of a
	// shared shard are cut, of rows alone and with definitions: a few milliseconds of
	// encoding. At the turn of an hour everything is defined anew, which is no reason
	// for a segment each.
	sharedRows = 64
	sharedCut  = 8
)

func newShard(id uint32, o Options) *shard {
	s := &shard{
		id:           id,
		segmentBytes: o.SegmentBytes,
		known:        newKnownSets(o.DefinitionBytes / int64(o.Shards)),
		pace:         pacer{minEvery: o.MinFlushEvery, maxEvery: o.MaxFlushEvery},
		prompt:       pacer{minEvery: o.MinFlushEvery, maxEvery: o.MaxFlushEvery},
		arrived:      make(chan struct{}, 1),
	}
	s.mu.queues = map[warehouse.Tenant][]*flight{}
	s.mu.recent = map[warehouse.Tenant]time.Time{}
	return s
}

// enqueue hands a flight to the shard. It is false when the shard is closed.
func (s *shard) enqueue(f *flight) bool {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return false
	}
	t := f.key.Tenant
	q, ok := s.mu.queues[t]
	if !ok {
		s.mu.order = append(s.mu.order, t)
		if now.Sub(s.mu.recent[t]) > quietFor {
			s.mu.quiet = append(s.mu.quiet, t)
			f.isQuiet = true
		}
	}
	s.mu.queues[t] = append(q, f)
	s.note(t, now)
	s.signal()
	return true
}

// note remembers who pushed when.
func (s *shard) note(t warehouse.Tenant, now time.Time) {
	if s.mu.last != "" && s.mu.last != t && now.Sub(s.mu.lastAt) < sharedFor {
		s.mu.sharedAt = now
	}
	if now.Sub(s.mu.lastAt) > quietFor {
		clear(s.mu.recent) // all of them are quiet
	} else if len(s.mu.recent) > 4096 {
		maps.DeleteFunc(s.mu.recent, func(_ warehouse.Tenant, at time.Time) bool { return now.Sub(at) > quietFor })
	}
	s.mu.last, s.mu.lastAt = t, now
	s.mu.recent[t] = now
}

func (s *shard) signal() {
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// close refuses further arrivals. What is queued is still to be flushed.
func (s *shard) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.closed = true
}

// cut takes flights from the queues, one tenant after the other, until their
// estimated encoded size reaches that of a head; quiet tenants' only, if there are
// any and quiet is true. A flight that is larger by itself goes alone. The second
// result reports that a head of the same kind is left.
func (s *shard) cut(quiet bool, now time.Time) (head []*flight, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	most, mostRows := s.segmentBytes, s.segmentBytes
	if now.Sub(s.mu.sharedAt) < sharedFor {
		most, mostRows = most/sharedCut, most/sharedRows
	}
	quiet = quiet && len(s.mu.quiet) > 0
	order := s.mu.order
	if quiet {
		order = slices.Clone(s.mu.quiet)
	}
	waiting := len(order)
	var size, sizeRows int64
	for len(order) > 0 {
		t := order[0]
		q := s.mu.queues[t]
		rows, definitions := s.encodedSize(q[0])
		if len(head) > 0 && (size+rows+definitions > most || sizeRows+rows > mostRows) {
			more = true
			break
		}
		head, size, sizeRows = append(head, q[0]), size+rows+definitions, sizeRows+rows
		q[0] = nil
		order = order[1:]
		waiting--
		if len(q) > 1 {
			s.mu.queues[t] = q[1:]
			order = append(order, t)
		} else {
			delete(s.mu.queues, t)
		}
	}
	gone := func(t warehouse.Tenant) bool { return len(s.mu.queues[t]) == 0 }
	if quiet {
		s.mu.quiet = order[:max(0, waiting)] // who got nothing; what the others have left waits as any
		s.mu.order = slices.DeleteFunc(s.mu.order, gone)
	} else {
		s.mu.order = order
		s.mu.quiet = slices.DeleteFunc(s.mu.quiet, gone)
	}
	return head, more
}

// isEmpty reports whether nobody waits.
func (s *shard) isEmpty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.order) == 0
}

// hasQuiet reports whether a quiet tenant waits.
func (s *shard) hasQuiet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.quiet) > 0
}

// encodedSize estimates the bytes a flight takes in a segment: its rows about four
// each (measured: 2.5 to 4.5 in small sections), and its new definitions a quarter of
// what they take written out. The second also bounds the memory of encoding: to four
// times a segment, or to profile.Limits.MaxDefinitionBytes for a flight that goes alone.
func (s *shard) encodedSize(f *flight) (rows, definitions int64) {
	var n int64
	for i := range f.prepared.Series {
		n += int64(len(f.prepared.Series[i].Stacks))
	}
	all := float64(f.prepared.DefinitionBytes) * s.known.shareNew(f.partition(), f.prepared.Series[0].Stacks)
	return 4*n + 256, int64(all) / 4
}

// run cuts heads and flushes them until ctx is done, then flushes what is left.
func (s *shard) run(ctx context.Context, flush func(*shard, []*flight)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	full := false // the last head left another
	for ctx.Err() == nil {
		if s.isEmpty() {
			select {
			case <-ctx.Done():
			case <-s.arrived:
			}
			continue
		}
		wait := s.untilNext(full)
		if wait <= 0 {
			full = s.flushOne(flush)
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.arrived: // of a quiet tenant, perhaps
		}
	}
	s.close()
	for !s.isEmpty() {
		s.flushOne(flush)
	}
}

// untilNext returns how long to wait before the next seal.
func (s *shard) untilNext(full bool) time.Duration {
	if full {
		return 0
	}
	now := time.Now()
	wait := s.pace.wait(now)
	if wait > 0 && s.hasQuiet() {
		wait = min(wait, s.prompt.wait(now))
	}
	return wait
}

// flushOne cuts one head, of which there must be one, and flushes it. It reports
// whether the head left another.
func (s *shard) flushOne(flush func(*shard, []*flight)) (full bool) {
	now := time.Now()
	quiet := s.hasQuiet() && s.prompt.wait(now) <= 0
	head, more := s.cut(quiet, now)
	if quiet {
		s.prompt.sealed(now)
		s.pace.last = now
	} else {
		s.pace.sealed(now)
		s.prompt.last = now
	}
	flush(s, head)
	return more
}
