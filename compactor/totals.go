package compactor

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// sum is an exact sum of values ≥ 0.
type sum struct{ hi, lo uint64 }

func (s *sum) add(v int64) {
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, uint64(v), 0)
	s.hi += carry
}

func (s *sum) plus(o sum) {
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, o.lo, 0)
	s.hi += o.hi + carry
}

// totals adds the samples of a dataset up by stacktrace.
type totals struct {
	number uint32 // of the dataset, from 1
	places map[warehouse.StacktraceID]uint32
	sums   []stackSum
}

type stackSum struct {
	stack   warehouse.StacktraceID
	value   sum
	samples int64
}

// add adds a sample of the cursor's group.
func (t *totals) add(e *entries, entry int, id warehouse.StacktraceID, value int64) {
	if e.set[entry] != t.number {
		place, ok := t.places[id]
		if !ok {
			place = uint32(len(t.sums))
			t.places[id] = place
			t.sums = append(t.sums, stackSum{stack: id})
		}
		e.set[entry], e.slot[entry] = t.number, place
	}
	s := &t.sums[e.slot[entry]]
	s.value.add(value)
	s.samples++
}

// flush appends the rows of the dataset and begins another one.
func (t *totals) flush(dst []block.StackTotal, hour warehouse.Hour, service, typ string) []block.StackTotal {
	slices.SortFunc(t.sums, func(a, b stackSum) int { return cmp.Compare(a.stack, b.stack) })
	for i := range t.sums {
		s := &t.sums[i]
		dst = append(dst, block.StackTotal{
			Hour: hour, Service: service, Type: typ, Stacktrace: s.stack,
			Value: decimal128.New(int64(s.value.hi), s.value.lo), Samples: s.samples,
		})
	}
	t.sums = t.sums[:0]
	clear(t.places)
	t.number++
	return dst
}
