package profile

import (
	"bytes"
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// row is a sample that has a positive value.
type row struct {
	stack  warehouse.StacktraceID
	sample uint32
	group  uint32
	cut    uint32 // locations cut from the leaf
	size   uint64 // bytes of the stack's definition, written out
}

// normalizer drops values, cuts depth, and merges samples of one group that have
// the same stack, span and trace.
type normalizer struct {
	rows    []row
	regroup []row    // scratch of sort and byGroup
	starts  []uint32 // scratch of sort and byGroup

	// Merged rows, ordered by group, stack, span and trace, and their sums, one
	// per sample type.
	merged []row
	sums   []int64

	zeros, negatives int  // values dropped
	depthCut         bool // a stack was cut
}

func (n *normalizer) release() {
	n.rows, n.regroup, n.starts = reuse(n.rows), reuse(n.regroup), reuse(n.starts)
	n.merged, n.sums = reuse(n.merged), reuse(n.sums)
	n.zeros, n.negatives, n.depthCut = 0, 0, false
}

// keep reports whether a sample has a value to store, and counts those it has not.
func (n *normalizer) keep(values []int64) bool {
	kept := false
	for _, v := range values {
		switch {
		case v > 0:
			kept = true
		case v == 0:
			n.zeros++
		default:
			n.negatives++
		}
	}
	return kept
}

// collect fills rows with the samples of p that are kept, ordered by stack, span
// and trace.
func (n *normalizer) collect(p *Profile, split *splitter, sym *symbolizer, lim *Limits) error {
	nTypes := len(p.SampleTypes)
	n.rows = slices.Grow(n.rows, len(p.Samples))
	for i := range p.Samples {
		if !n.keep(p.Values[i*nTypes : (i+1)*nTypes]) {
			continue
		}
		group, err := split.group(p, i, lim)
		if err != nil {
			return err
		}
		if len(split.groups)*nTypes > lim.MaxSeries {
			return refuse(warehouse.ReasonSeriesLimit, "split profile: its sample labels make more than %d series", lim.MaxSeries)
		}
		s := &p.Samples[i]
		id, size, cut := sym.stack(p.SampleLocations[s.FirstLocation:s.LocationsEnd], lim.MaxDepth)
		n.depthCut = n.depthCut || cut > 0
		n.rows = append(n.rows, row{id, uint32(i), group, uint32(cut), size})
	}
	n.sort(split)
	return nil
}

// sort orders the rows by stack, span and trace. Stacks are hashes: cut into as many
// ranges as there are rows, most ranges have one or two.
func (n *normalizer) sort(split *splitter) {
	width := bits.Len(uint(len(n.rows)))
	bucket := func(r *row) int { return int((uint64(r.stack) ^ 1<<63) >> (64 - width)) }
	n.starts = slices.Grow(n.starts[:0], 1<<width+1)[:1<<width+1]
	clear(n.starts)
	for i := range n.rows {
		n.starts[bucket(&n.rows[i])+1]++
	}
	for b := range 1 << width {
		n.starts[b+1] += n.starts[b]
	}
	n.regroup = slices.Grow(n.regroup[:0], len(n.rows))[:len(n.rows)]
	for i := range n.rows {
		at := &n.starts[bucket(&n.rows[i])]
		n.regroup[*at] = n.rows[i]
		*at++
	}
	n.rows, n.regroup = n.regroup, n.rows
	for b, from := 0, uint32(0); b < 1<<width; b++ {
		to := n.starts[b] // where the range ends, now that it is filled
		if to-from > 1 {
			slices.SortFunc(n.rows[from:to], func(a, b row) int {
				if a.stack != b.stack {
					return cmp.Compare(a.stack, b.stack)
				}
				return cmp.Or(split.compareIDs(a.sample, b.sample), cmp.Compare(a.sample, b.sample))
			})
		}
		from = to
	}
}

// compareIDs orders samples by span, then trace.
func (s *splitter) compareIDs(a, b uint32) int {
	if len(s.spans) > 0 && s.spans[a] != s.spans[b] {
		return cmp.Compare(s.spans[a], s.spans[b])
	}
	if len(s.traces) > 0 {
		return bytes.Compare(s.traces[a][:], s.traces[b][:])
	}
	return 0
}

// locations returns those of a row's stack that were kept.
func (r *row) locations(p *Profile) []uint32 {
	s := &p.Samples[r.sample]
	return p.SampleLocations[s.FirstLocation+r.cut : s.LocationsEnd]
}

// define fills the stacks of defs from the rows, which are ordered by stack. It
// refuses a profile in which one id stands for two stacks: ids would lie.
func (n *normalizer) define(p *Profile, sym *symbolizer, defs *definitions, lim *Limits) error {
	stacks, refs := 0, 0
	var size uint64
	for i := range n.rows {
		locations := n.rows[i].locations(p)
		if i > 0 && n.rows[i].stack == n.rows[i-1].stack {
			if !sym.sameStack(locations, n.rows[i-1].locations(p)) {
				return malformed("define stacks: samples %d and %d have different stacks with the id %d", n.rows[i-1].sample, n.rows[i].sample, n.rows[i].stack)
			}
			continue
		}
		stacks++
		refs += len(locations)
		if size += n.rows[i].size; size > uint64(lim.MaxDefinitionBytes) {
			return refuse(warehouse.ReasonProfileSize, "define stacks: they have more than the %d bytes allowed when written out", lim.MaxDefinitionBytes)
		}
	}
	defs.writtenBytes = int64(size)
	defs.ids = make([]warehouse.StacktraceID, 0, stacks)
	defs.starts = make([]uint32, 1, stacks+1)
	defs.refs = make([]uint32, 0, refs)
	for i := range n.rows {
		if i > 0 && n.rows[i].stack == n.rows[i-1].stack {
			continue
		}
		defs.ids = append(defs.ids, n.rows[i].stack)
		defs.refs = append(defs.refs, n.rows[i].locations(p)...)
		defs.starts = append(defs.starts, uint32(len(defs.refs)))
	}
	return nil
}

// byGroup reorders the rows by group, keeping the order within each.
func (n *normalizer) byGroup(groups int) {
	if groups < 2 {
		return
	}
	n.starts = slices.Grow(n.starts[:0], groups+1)[:groups+1]
	clear(n.starts)
	for i := range n.rows {
		n.starts[n.rows[i].group+1]++
	}
	for g := range groups {
		n.starts[g+1] += n.starts[g]
	}
	n.regroup = slices.Grow(n.regroup[:0], len(n.rows))[:len(n.rows)]
	for i := range n.rows {
		at := &n.starts[n.rows[i].group]
		n.regroup[*at] = n.rows[i]
		*at++
	}
	n.rows, n.regroup = n.regroup, n.rows
}

// merge fills merged and sums from the rows. Values are dropped before they are
// added: a sum never hides one.
func (n *normalizer) merge(p *Profile, split *splitter) error {
	nTypes := len(p.SampleTypes)
	n.merged = slices.Grow(n.merged, len(n.rows))
	n.sums = slices.Grow(n.sums, len(n.rows)*nTypes)
	for i := range n.rows {
		r := &n.rows[i]
		values := p.Values[int(r.sample)*nTypes : (int(r.sample)+1)*nTypes]
		if last := len(n.merged) - 1; last < 0 || !n.merged[last].sameRow(r, split) {
			n.merged = append(n.merged, *r)
			for _, v := range values {
				n.sums = append(n.sums, max(v, 0))
			}
			continue
		}
		sums := n.sums[len(n.sums)-nTypes:]
		for t, v := range values {
			sum, ok := add(sums[t], max(v, 0))
			if !ok {
				return malformed("merge samples: the sum of the values of stack %d overflows", r.stack)
			}
			sums[t] = sum
		}
	}
	return nil
}

func (r *row) sameRow(o *row, split *splitter) bool {
	return r.stack == o.stack && r.group == o.group && split.compareIDs(r.sample, o.sample) == 0
}

// add returns a + b, which are not negative, and whether it fits.
func add(a, b int64) (int64, bool) { return a + b, a <= math.MaxInt64-b }
