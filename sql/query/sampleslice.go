package query

import (
	"math"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// sampleSlice is the samples of one service and type in one part, by column.
// Consecutive samples of one series and time form a run.
//
// Invariant: values are > 0; runs end where the next one begins.
type sampleSlice struct {
	key    sliceKey
	part   *warehouse.Part
	span   warehouse.TimeRange // of its profiles
	dict   *stackDict
	runs   []sampleRun
	stacks []uint32 // numbers in dict
	small  []uint32 // values, if all fit
	large  []int64  // values otherwise

	overflow bool // a total of it does not fit: no sum of it does
}

type sampleRun struct {
	series warehouse.SeriesID
	at     uint32 // time, in microseconds of the hour
	end    uint32 // first sample after the run
}

func (s *sampleSlice) sizeBytes() int64 {
	return 256 + int64(len(s.key.service)+len(s.key.typ)+16*len(s.runs)+4*len(s.stacks)+4*len(s.small)+8*len(s.large))
}

// runFilter picks runs. The zero value picks all.
type runFilter struct {
	times  *hourRange // nil: all
	series map[warehouse.SeriesID]bool
	masks  []runMask // what they hide is left out
}

// runMask is a deletion of the slice's service and type, with its bounds since the
// start of the hour.
type runMask struct {
	*warehouse.Deletion
	from, to warehouse.Micros
}

func (f *runFilter) isEmpty() bool { return f.times == nil && f.series == nil && f.masks == nil }

func (f *runFilter) accepts(r *sampleRun) bool {
	if f.times != nil && !f.times.contains(r.at) || f.series != nil && !f.series[r.series] {
		return false
	}
	for i := range f.masks {
		m := &f.masks[i]
		if at := warehouse.Micros(r.at); m.from <= at && at < m.to && m.HasSeries(r.series) {
			return false
		}
	}
	return true
}

// addTo adds the samples of the picked runs to sums by number of stacktrace, and
// reports whether all of them still fit.
func (s *sampleSlice) addTo(sums []int64, f *runFilter) bool {
	if s.overflow {
		return false
	}
	if f.isEmpty() {
		return s.addRows(sums, 0, len(s.stacks))
	}
	ok := true
	from := 0
	for i := range s.runs {
		r := &s.runs[i]
		if f.accepts(r) {
			ok = s.addRows(sums, from, int(r.end)) && ok
		}
		from = int(r.end)
	}
	return ok
}

func (s *sampleSlice) addRows(sums []int64, from, to int) bool {
	if s.large != nil {
		return addValues(sums, s.stacks[from:to], s.large[from:to])
	}
	return addValues(sums, s.stacks[from:to], s.small[from:to])
}

// addValues adds each value to the sum of its stack. A sum that was in range and
// grows by a positive int64 beyond it is negative, so one look at all signs is
// enough.
func addValues[V uint32 | int64](sums []int64, stacks []uint32, values []V) bool {
	var signs int64
	values = values[:len(stacks)]
	for i, n := range stacks {
		v := sums[n] + int64(values[i])
		sums[n] = v
		signs |= v
	}
	return signs >= 0
}

// eachRun calls fn with the picked runs and the sum of those of their samples
// whose stacktraces are picked.
func (s *sampleSlice) eachRun(f *runFilter, stacks []bool, fn func(r *sampleRun, sum wide)) {
	from := 0
	for i := range s.runs {
		r := &s.runs[i]
		if f.accepts(r) {
			var sum wide
			for j := from; j < int(r.end); j++ {
				if stacks[s.stacks[j]] {
					sum.add(s.value(j))
				}
			}
			fn(r, sum)
		}
		from = int(r.end)
	}
}

func (s *sampleSlice) value(i int) int64 {
	if s.large != nil {
		return s.large[i]
	}
	return int64(s.small[i])
}

// sliceBuilder collects rows in any order.
type sliceBuilder struct {
	slice *sampleSlice
	large []int64
	max   int64
}

// newSliceBuilder reserves nothing: how many rows of totals a dataset has is not known
// before, and is a small part of its samples.
func newSliceBuilder(t *target, dict *stackDict) *sliceBuilder {
	return &sliceBuilder{slice: &sampleSlice{key: t.sliceKey(), part: t.part, span: t.span, dict: dict}}
}

// add takes one row. The caller holds the dictionary's lock.
func (b *sliceBuilder) add(series warehouse.SeriesID, at uint32, stack warehouse.StacktraceID, value int64) {
	s := b.slice
	s.stacks = append(s.stacks, s.dict.number(stack))
	b.large = append(b.large, value)
	b.max = max(b.max, value)
	end := uint32(len(s.stacks))
	if n := len(s.runs); n > 0 && s.runs[n-1].series == series && s.runs[n-1].at == at {
		s.runs[n-1].end = end
		return
	}
	s.runs = append(s.runs, sampleRun{series, at, end})
}

// finish returns the slice, which holds no more memory than its rows need.
func (b *sliceBuilder) finish() *sampleSlice {
	s := b.slice
	s.stacks, s.runs = exactly(s.stacks), exactly(s.runs)
	if b.max > math.MaxUint32 {
		s.large = exactly(b.large)
		return s
	}
	s.small = make([]uint32, len(b.large))
	for i, v := range b.large {
		s.small[i] = uint32(v)
	}
	return s
}

// exactly returns a copy of s without room for more.
func exactly[T any](s []T) []T { return append(make([]T, 0, len(s)), s...) }
