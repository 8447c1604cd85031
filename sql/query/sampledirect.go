package query

import (
	"context"
	"runtime/debug"
	"slices"
	"sort"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// readParts reads samples of parts by column, without the engine, remembers them
// and returns those of the targets, which are given by part. Of a small part it
// reads all datasets: the file is decoded anyhow, and the next question, about
// another type, finds them.
func (s *Service) readParts(ctx context.Context, parts [][]target) ([]*sampleSlice, error) {
	read := make([][]*sampleSlice, len(parts))
	err := s.parallel(ctx, len(parts), func(ctx context.Context, i int) (err error) {
		read[i], err = s.readPart(ctx, parts[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	return slices.Concat(read...), nil
}

func (s *Service) readPart(ctx context.Context, wanted []target) ([]*sampleSlice, error) {
	p := wanted[0].part
	data, end, err := s.sampleBytes(ctx, p)
	if err != nil {
		return nil, err
	}
	defer end()
	ts := wanted
	if p.Rows() <= s.wholeRows && s.samples.hasRoom(p.Rows()*bytesPerSample) {
		ts = allTargets(p)
	}
	r := columnFiller{part: p, targets: ts, cache: s.samples, numbers: numberings.Get().(*numbering)}
	defer r.numbers.release()
	fill := func(c *block.SampleColumns) error {
		if err := ctxError(ctx); err != nil {
			return err
		}
		return r.fill(c)
	}
	if err = guarded(func() error { return block.ReadSampleColumns(data, r.wants, fill) }); err == nil {
		err = r.check()
	}
	if err != nil {
		s.samples.drop(r.slices)
		if canceled := ctxError(ctx); canceled != nil {
			return nil, canceled
		}
		return nil, partError(p, warehouse.TableSamples, err)
	}
	s.samples.add(r.slices)
	if len(ts) == len(wanted) {
		return r.slices, nil
	}
	out := make([]*sampleSlice, 0, len(wanted))
	for _, slice := range r.slices {
		if slices.ContainsFunc(wanted, func(t target) bool { return t.datasetName == slice.key.datasetName }) {
			out = append(out, slice)
		}
	}
	return out, nil
}

// mappedBytes is the size from which on a section is mapped rather than read: most of
// a large one is not asked for.
const mappedBytes = 1 << 20

// sampleBytes returns the part's samples, verified; end ends their use.
func (s *Service) sampleBytes(ctx context.Context, p *warehouse.Part) (data []byte, end func(), err error) {
	if section, ok := p.Section(warehouse.TableSamples); !ok || section.Size < mappedBytes {
		data, err = s.opts.Sections.Read(ctx, p, warehouse.TableSamples)
		return data, func() {}, err
	}
	local, err := s.opts.Sections.Acquire(ctx, p, warehouse.TableSamples)
	if err != nil {
		return nil, nil, err
	}
	if data, err = local.Map(); err != nil {
		local.Release()
		return nil, nil, err
	}
	return data, local.Release, nil
}

// guarded makes an error of a fault in mapped bytes: somebody has cut their file short
// since it was verified.
func guarded(read func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = warehouse.Errorf(warehouse.Corrupt, "the file changed while it was read: %v", p)
		}
	}()
	return read()
}

// allTargets returns the datasets of a part that have samples.
func allTargets(p *warehouse.Part) []target {
	v := view{tenant: p.Tenant, within: p.Range, parts: []*warehouse.Part{p}}
	return slices.DeleteFunc(v.targets(func(datasetName) int { return 0 }), func(t target) bool { return t.rows == 0 })
}

// columnFiller makes slices of a part's columns, which it is given in the order
// of rows.
type columnFiller struct {
	part    *warehouse.Part
	targets []target // ordered by first row
	cache   *sampleCache
	slices  []*sampleSlice // of the targets before, and of the one being read

	numbers *numbering
}

// wants reports whether a target has some of the rows.
func (f *columnFiller) wants(first, end int64) bool {
	return slices.ContainsFunc(f.targets, func(t target) bool { return t.firstRow < end && first < t.firstRow+t.rows })
}

// fill takes the columns of a row group.
func (f *columnFiller) fill(c *block.SampleColumns) error {
	f.numbers.dict = nil // each row group has a dictionary of its own
	from := 0
	for i := range c.Datasets {
		d := &c.Datasets[i]
		if err := f.take(c, d, from); err != nil {
			return err
		}
		from = d.End
	}
	return nil
}

// take takes the rows [from, d.End), which are d's.
func (f *columnFiller) take(c *block.SampleColumns, d *block.SampleDataset, from int) error {
	first, end := c.First+int64(from), c.First+int64(d.End)
	i := sort.Search(len(f.targets), func(i int) bool { return f.targets[i].firstRow > first }) - 1
	if i < 0 || first >= f.targets[i].firstRow+f.targets[i].rows {
		return nil // of a dataset that is not wanted
	}
	t := &f.targets[i]
	if d.Service != t.service || d.Type != t.typ || end > t.firstRow+t.rows {
		return warehouse.Errorf(warehouse.Corrupt, "rows %d to %d are of service %q, type %q; service %q, type %q has rows %d to %d",
			first, end-1, d.Service, d.Type, t.service, t.typ, t.firstRow, t.firstRow+t.rows-1)
	}
	if first == t.firstRow {
		f.slices = append(f.slices, newSlice(t, f.cache.dict(t)))
	}
	return f.slices[len(f.slices)-1].addColumns(c, from, d.End, f.numbers)
}

// check compares what was read with what the index promises.
func (f *columnFiller) check() error {
	if len(f.slices) != len(f.targets) {
		return warehouse.Errorf(warehouse.Corrupt, "%d datasets, want %d", len(f.slices), len(f.targets))
	}
	for i, s := range f.slices {
		if t := &f.targets[i]; int64(len(s.stacks)) != t.rows {
			return warehouse.Errorf(warehouse.Corrupt, "service %q has %d samples of %s, want %d", t.service, len(s.stacks), t.typ, t.rows)
		}
	}
	return nil
}

func newSlice(t *target, dict *stackDict) *sampleSlice {
	return &sampleSlice{key: t.sliceKey(), part: t.part, span: t.span, dict: dict, stacks: make([]uint32, 0, t.rows)}
}

// addColumns appends the rows [from, to) of c.
func (s *sampleSlice) addColumns(c *block.SampleColumns, from, to int, n *numbering) error {
	if err := s.addRuns(c.Series[from:to], c.Times[from:to]); err != nil {
		return err
	}
	if err := s.addSampleValues(c.Values[from:to]); err != nil {
		return err
	}
	s.dict.mu.Lock()
	defer s.dict.mu.Unlock()
	if c.Index == nil {
		for _, id := range c.Stacks[from:to] {
			s.stacks = append(s.stacks, s.dict.number(warehouse.StacktraceID(id)))
		}
		return nil
	}
	s.stacks = n.append(s.stacks, s.dict, c, from, to)
	return nil
}

// addRuns appends the runs of rows that come behind the slice's samples.
func (s *sampleSlice) addRuns(series, times []int64) error {
	start, end := s.part.Hour.Start(), s.part.Hour.End()
	before := uint32(len(s.stacks))
	times = times[:len(series)]
	for i := 0; i < len(series); {
		n := i + 1
		for n < len(series) && series[n] == series[i] && times[n] == times[i] {
			n++
		}
		at := warehouse.Micros(times[i])
		if at < start || at >= end {
			return warehouse.Errorf(warehouse.Corrupt, "a sample of %s is outside of the hour", at)
		}
		run := sampleRun{warehouse.SeriesID(series[i]), uint32(at - start), before + uint32(n)}
		if last := len(s.runs) - 1; last >= 0 && s.runs[last].series == run.series && s.runs[last].at == run.at {
			s.runs[last].end = run.end
		} else {
			s.runs = append(s.runs, run)
		}
		i = n
	}
	return nil
}

// addSampleValues appends values, which are > 0.
func (s *sampleSlice) addSampleValues(values []int64) error {
	least, all := int64(1), int64(0)
	for _, v := range values {
		least = min(least, v)
		all |= v
	}
	if least <= 0 {
		return warehouse.Errorf(warehouse.Corrupt, "a sample has the value %d", least)
	}
	if s.large == nil && uint64(all)>>32 == 0 {
		s.small = slices.Grow(s.small, cap(s.stacks)-len(s.small))
		for _, v := range values {
			s.small = append(s.small, uint32(v))
		}
		return nil
	}
	if s.large == nil {
		s.large = make([]int64, 0, cap(s.stacks))
		for _, v := range s.small {
			s.large = append(s.large, int64(v))
		}
		s.small = nil
	}
	s.large = append(s.large, values...)
	return nil
}

// numbering knows the numbers that entries of a row group's dictionary have in
// the stackDict that was used last.
type numbering struct {
	dict    *stackDict // nil: of none
	numbers []uint32   // of each entry, + 1; 0 is not known yet
}

var numberings = sync.Pool{New: func() any { return new(numbering) }}

// release keeps the memory for the next file.
func (n *numbering) release() {
	n.dict = nil
	numberings.Put(n)
}

// append appends the numbers of the stacktraces of rows [from, to). The caller
// holds the dictionary's lock.
func (n *numbering) append(dst []uint32, dict *stackDict, c *block.SampleColumns, from, to int) []uint32 {
	if n.dict != dict {
		n.dict = dict
		n.numbers = slices.Grow(n.numbers[:0], len(c.Stacks))[:len(c.Stacks)]
		clear(n.numbers)
	}
	for _, entry := range c.Index[from:to] {
		number := n.numbers[entry]
		if number == 0 {
			number = dict.number(warehouse.StacktraceID(c.Stacks[entry])) + 1
			n.numbers[entry] = number
		}
		dst = append(dst, number-1)
	}
	return dst
}
