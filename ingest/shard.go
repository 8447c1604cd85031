package ingest

import (
	"context"
	"sync"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// shard owns the profiles of some services, from their arrival to the answer.
// It has at most one segment on its way: what arrives meanwhile forms the next
// head, so that the flush time sets the size of segments (group commit).
type shard struct {
	id           uint32
	segmentBytes int64      // estimated size at which a head is cut
	known        *knownSets // owned by run
	pace         pacer      // owned by run

	mu struct {
		sync.Mutex
		queues map[warehouse.Tenant][]*flight
		order  []warehouse.Tenant // tenants with a queue; the first is next in turn
		closed bool               // no more arrivals; never turns back
	}
	arrived chan struct{} // holds a token when the queue may be non-empty; capacity 1
}

func newShard(id uint32, o Options) *shard {
	s := &shard{
		id:           id,
		segmentBytes: o.SegmentBytes,
		known:        newKnownSets(o.DefinitionBytes / int64(o.Shards)),
		pace:         pacer{minEvery: o.MinFlushEvery, maxEvery: o.MaxFlushEvery},
		arrived:      make(chan struct{}, 1),
	}
	s.mu.queues = map[warehouse.Tenant][]*flight{}
	return s
}

// enqueue hands a flight to the shard. It is false when the shard is closed.
func (s *shard) enqueue(f *flight) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return false
	}
	q, ok := s.mu.queues[f.key.Tenant]
	if !ok {
		s.mu.order = append(s.mu.order, f.key.Tenant)
	}
	s.mu.queues[f.key.Tenant] = append(q, f)
	select {
	case s.arrived <- struct{}{}:
	default:
	}
	return true
}

// close refuses further arrivals. What is queued is still to be flushed.
func (s *shard) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.closed = true
}

// cut takes flights from the queues, one tenant after the other, until their
// estimated encoded size reaches segmentBytes. A flight that is larger by itself
// goes alone.
func (s *shard) cut() []*flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	var head []*flight
	var size int64
	for len(s.mu.order) > 0 {
		t := s.mu.order[0]
		q := s.mu.queues[t]
		n := s.encodedSize(q[0])
		if len(head) > 0 && size+n > s.segmentBytes {
			break
		}
		head, size = append(head, q[0]), size+n
		q[0] = nil
		if len(q) == 1 {
			delete(s.mu.queues, t)
			s.mu.order = s.mu.order[1:]
			continue
		}
		s.mu.queues[t] = q[1:]
		s.mu.order = append(s.mu.order[1:], t)
	}
	if len(s.mu.order) > 0 {
		select {
		case s.arrived <- struct{}{}:
		default:
		}
	}
	return head
}

// encodedSize estimates the bytes a flight takes in a segment: about four per
// sample (measured: 2.5 to 4.5 in small sections), and a quarter of what its new
// definitions take written out. The second term also bounds the memory of
// encoding: to four times a segment, or to profile.Limits.MaxDefinitionBytes for
// a flight that goes alone.
func (s *shard) encodedSize(f *flight) int64 {
	var rows int64
	for i := range f.prepared.Series {
		rows += int64(len(f.prepared.Series[i].Stacks))
	}
	definitions := float64(f.prepared.DefinitionBytes) * s.known.shareNew(f.partition(), f.prepared.Series[0].Stacks)
	return 4*rows + int64(definitions)/4 + 256
}

// run cuts heads and flushes them until ctx is done, then flushes what is left.
func (s *shard) run(ctx context.Context, flush func(*shard, []*flight)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.arrived:
			timer.Reset(s.pace.wait(time.Now()))
			select {
			case <-ctx.Done():
			case <-timer.C:
				s.flushOne(flush)
			}
		}
	}
	s.close()
	for s.flushOne(flush) {
	}
}

// flushOne cuts one head and flushes it. It is false when nothing was queued.
func (s *shard) flushOne(flush func(*shard, []*flight)) bool {
	head := s.cut()
	if len(head) == 0 {
		return false
	}
	s.pace.sealed(time.Now())
	flush(s, head)
	return true
}
