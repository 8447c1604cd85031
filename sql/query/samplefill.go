package query

import (
	"context"
	"slices"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

const (
	// fillRows is about the most rows of one statement that fills the cache: the
	// engine holds them all at once.
	fillRows = 1 << 20

	// directRows is the most samples of a part that is read without the engine:
	// up to here, decoding the file costs less than what the engine needs to open
	// it and to look for the rows.
	directRows = 1 << 40

	// wholeRows is the most samples of a part of which all datasets are kept once
	// one is read: the next question, about another type, finds its samples.
	wholeRows = 16 << 10
)

// slicesOf returns the samples of the targets, which are all small.
func (s *Service) slicesOf(ctx context.Context, sel *Selection, ts []target) ([]*sampleSlice, error) {
	ts = slices.DeleteFunc(slices.Clone(ts), func(t target) bool { return t.rows == 0 })
	found, missing := s.samples.lookup(ts)
	if len(missing) == 0 {
		return found, nil
	}
	end, err := s.samples.beginFill(ctx, fillKey{sel.Tenant, sel.Type.String()})
	if err != nil {
		return nil, err
	}
	defer end()
	again, missing := s.samples.lookup(missing)
	found = append(found, again...)

	var direct [][]target
	var rest []target
	for _, part := range byPart(missing) {
		if part[0].part.Rows() <= s.directRows {
			direct = append(direct, part)
		} else {
			rest = append(rest, part...)
		}
	}
	read, err := s.readParts(ctx, direct)
	if err != nil {
		return nil, err
	}
	found = append(found, read...)
	for len(rest) > 0 {
		n := batchOf(rest)
		read, err := s.readSlices(ctx, sel, rest[:n])
		if err != nil {
			return nil, err
		}
		found = append(found, read...)
		rest = rest[n:]
	}
	return found, nil
}

// batchOf returns how many targets, of whole parts, one statement reads.
func batchOf(ts []target) int {
	var rows int64
	n := 0
	for _, part := range byPart(ts) {
		if n > 0 && rows > fillRows {
			break
		}
		n += len(part)
		for i := range part {
			rows += part[i].rows
		}
	}
	return n
}

// readSlices reads the samples of targets and remembers them.
func (s *Service) readSlices(ctx context.Context, sel *Selection, ts []target) ([]*sampleSlice, error) {
	f := newSliceFiller(s.samples, ts)
	values := bindings{}
	restrict(values, sel, ts)
	err := s.scan(ctx, statements.sampleRows, f.parts, warehouse.TableSamples, values, f.fill)
	if err == nil {
		err = f.check()
	}
	out := f.finish()
	if err != nil {
		s.samples.drop(out)
		return nil, err
	}
	s.samples.add(out)
	return out, nil
}

// sliceFiller sorts rows into slices.
type sliceFiller struct {
	targets  []target
	parts    []*warehouse.Part
	of       [][]int // by file: its targets, by their first row
	builders []*sliceBuilder
}

func newSliceFiller(c *sampleCache, ts []target) *sliceFiller {
	f := &sliceFiller{targets: ts, parts: partsOf(ts)}
	for i := range ts {
		if i == 0 || ts[i].part != ts[i-1].part {
			f.of = append(f.of, nil)
		}
		f.of[len(f.of)-1] = append(f.of[len(f.of)-1], i)
		f.builders = append(f.builders, newSliceBuilder(&ts[i], c.dict(&ts[i])))
	}
	return f
}

func (f *sliceFiller) fill(rec arrow.RecordBatch) error {
	cols := newColumns(rec)
	files, rows, series := cols.uint64(0), cols.int64(1), cols.int64(2)
	times, stacks, values := cols.micros(3), cols.int64(4), cols.int64(5)
	if cols.err != nil {
		return cols.err
	}
	for i := 0; i < len(files); {
		n := i + 1
		target, err := f.targetOf(files[i], rows[i])
		if err != nil {
			return err
		}
		if target < 0 {
			i = n
			continue
		}
		end := f.targets[target].firstRow + f.targets[target].rows
		for n < len(files) && files[n] == files[i] && rows[n] > rows[i] && rows[n] < end {
			n++
		}
		if err := f.take(target, series[i:n], times[i:n], stacks[i:n], values[i:n]); err != nil {
			return err
		}
		i = n
	}
	return nil
}

// targetOf returns the target that a row of a file belongs to, or -1: another
// service's row came along.
func (f *sliceFiller) targetOf(file uint64, row int64) (int, error) {
	if file >= uint64(len(f.of)) {
		return 0, warehouse.Errorf(warehouse.Internal, "read samples: row of file %d of %d", file, len(f.of))
	}
	of := f.of[file]
	i := sort.Search(len(of), func(i int) bool { return f.targets[of[i]].firstRow > row }) - 1
	if i < 0 || row >= f.targets[of[i]].firstRow+f.targets[of[i]].rows {
		return -1, nil
	}
	return of[i], nil
}

// take appends rows to a target's slice.
func (f *sliceFiller) take(target int, series []int64, times []warehouse.Micros, stacks, values []int64) error {
	b := f.builders[target]
	p := f.targets[target].part
	start := p.Hour.Start()
	b.slice.dict.mu.Lock()
	defer b.slice.dict.mu.Unlock()
	for i, v := range values {
		if v <= 0 || times[i] < start || times[i] >= p.Hour.End() {
			return corrupt(p, warehouse.TableSamples, "a sample of %s has the value %d", times[i], v)
		}
		b.add(warehouse.SeriesID(series[i]), uint32(times[i]-start), warehouse.StacktraceID(stacks[i]), v)
	}
	return nil
}

// check compares what was read with what the index promises.
func (f *sliceFiller) check() error {
	for i, b := range f.builders {
		t := &f.targets[i]
		if n := int64(len(b.slice.stacks)); n != t.rows {
			return corrupt(t.part, warehouse.TableSamples, "service %q has %d samples of %s, want %d", t.service, n, t.typ, t.rows)
		}
	}
	return nil
}

func (f *sliceFiller) finish() []*sampleSlice {
	out := make([]*sampleSlice, len(f.builders))
	for i, b := range f.builders {
		out[i] = b.finish()
	}
	return out
}
