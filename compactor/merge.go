package compactor

import (
	"container/heap"
	"context"
	"errors"
	"io"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// MaxBlockBytes is the size of a block's samples from which on it ends, at the next
// profile.
const MaxBlockBytes = 128 << 20

// Input is a part that is merged. Data returns the bytes of a section that it has,
// verified; they stay as they are until the merge ends.
//
// Relax, if there is one, is called now and then: most of what was read of the bytes
// so far is not read again.
type Input struct {
	Part  *warehouse.Part
	Data  func(t warehouse.Table) ([]byte, error)
	Relax func()
}

// relaxEvery is how many bytes are written between two calls of Relax.
const relaxEvery = 8 << 20

// Merge says what is made of inputs.
type Merge struct {
	Level    uint8
	NewID    func() warehouse.ObjectID // of a block
	MaxBytes int64                     // of a block's samples; 0 is MaxBlockBytes

	// Masks are deletions. The rows that they mask are left out, and with them the
	// definitions that no other row of the inputs needs: then the inputs have all
	// parts that could need them.
	Masks []*warehouse.Deletion

	groupRows int // tests have less than block.MaxRowGroupRows
}

// merger is a merge in progress.
type merger struct {
	Merge
	tenant warehouse.Tenant
	hour   warehouse.Hour
	inputs []Input
	emit   func(*Block) error

	profiles profileTable
	series   seriesTable
	stacks   *stackTable
	expected map[datasetName]int64 // samples, by the index

	block  *builder
	totals *totals // of the final level only
	last   runKey  // of the last run
	blocks int

	rows    map[datasetName]int64
	sums    map[datasetName]sum
	removed map[datasetName]*removedRows
}

// Run merges parts of one tenant and hour and calls emit with each block, in order;
// emit owns it. The inputs hold all definitions that their samples need, or other
// live parts do. It returns what was left out because it is deleted, by service and
// type.
//
// Errors: those of Data and emit as they are; Corrupt for inputs that contradict
// themselves or the index, with the object's name; Canceled and Deadline.
func (m Merge) Run(ctx context.Context, inputs []Input, emit func(*Block) error) ([]warehouse.Removed, error) {
	if len(inputs) == 0 {
		return nil, warehouse.Errorf(warehouse.Invalid, "merge: no inputs")
	}
	if m.MaxBytes == 0 {
		m.MaxBytes = MaxBlockBytes
	}
	if m.groupRows == 0 {
		m.groupRows = block.MaxRowGroupRows
	}
	r := &merger{
		Merge: m, tenant: inputs[0].Part.Tenant, hour: inputs[0].Part.Hour, inputs: inputs, emit: emit,
		profiles: profileTable{sums: map[datasetName]sum{}}, series: seriesTable{}, stacks: newStackTable(),
		expected: map[datasetName]int64{}, rows: map[datasetName]int64{}, sums: map[datasetName]sum{},
		removed: map[datasetName]*removedRows{},
	}
	if m.Level >= warehouse.LevelFinal {
		r.totals = &totals{number: 1, places: map[warehouse.StacktraceID]uint32{}}
	}
	if err := r.readSmallTables(ctx); err != nil {
		return nil, err
	}
	if err := r.mergeSamples(ctx); err != nil {
		return nil, err
	}
	return r.allRemoved(), nil
}

// readSmallTables reads everything but samples.
func (r *merger) readSmallTables(ctx context.Context) error {
	for _, in := range r.inputs {
		if in.Part.Tenant != r.tenant || in.Part.Hour != r.hour {
			return warehouse.Errorf(warehouse.Invalid, "merge: object %s is of tenant %s, hour %s, the first of tenant %s, hour %s",
				in.Part.Object, in.Part.Tenant, in.Part.Hour, r.tenant, r.hour)
		}
		for i := range in.Part.Datasets {
			d := &in.Part.Datasets[i]
			for j := range d.Types {
				r.expected[datasetName{d.Service, d.Types[j].Type}] += d.Types[j].Rows
			}
		}
		for table, read := range map[warehouse.Table]func(*warehouse.Part, []byte) error{
			warehouse.TableProfiles: r.readProfiles, warehouse.TableSeries: r.series.read, warehouse.TableStacktraces: r.stacks.read,
		} {
			if err := ctxError(ctx); err != nil {
				return err
			}
			if _, ok := in.Part.Section(table); !ok {
				continue
			}
			data, err := in.Data(table)
			if err != nil {
				return err
			}
			if err := read(in.Part, data); err != nil {
				return err
			}
		}
	}
	r.profiles.sort()
	r.relax()
	return nil
}

func (r *merger) relax() {
	for _, in := range r.inputs {
		if in.Relax != nil {
			in.Relax()
		}
	}
}

func (r *merger) mergeSamples(ctx context.Context) (err error) {
	h, err := r.openCursors()
	if err != nil {
		return err
	}
	if r.block, err = newBuilder(r.Level, 1, r.groupRows, r.blockBytes()); err != nil {
		return err
	}
	defer func() { r.block.samples.Close() }()
	relaxed := int64(0)
	for n := 0; len(h) > 0; n++ {
		if n%256 == 0 {
			if err := ctxError(ctx); err != nil {
				return err
			}
			if size := r.block.samples.Size(); size < relaxed || size-relaxed > relaxEvery {
				r.relax()
				relaxed = size
			}
		}
		c := h[0]
		if err := r.addRun(c); err != nil {
			return err
		}
		switch err := c.next(); {
		case errors.Is(err, io.EOF):
			heap.Pop(&h)
		case err != nil:
			return err
		default:
			heap.Fix(&h, 0)
		}
	}
	if err := r.endDataset(); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	return r.endBlock(nil)
}

// blockBytes estimates the size of the next block's samples: what is merged becomes
// smaller by a quarter at least.
func (r *merger) blockBytes() int64 {
	var rest int64
	for _, in := range r.inputs {
		if s, ok := in.Part.Section(warehouse.TableSamples); ok {
			rest += s.Size
		}
	}
	rest -= rest/4 + int64(r.blocks)*r.MaxBytes
	return max(0, min(rest, r.MaxBytes+r.MaxBytes/16))
}

func (r *merger) openCursors() (cursors, error) {
	var h cursors
	for _, in := range r.inputs {
		if _, ok := in.Part.Section(warehouse.TableSamples); !ok {
			continue
		}
		data, err := in.Data(warehouse.TableSamples)
		if err != nil {
			return nil, err
		}
		c, err := openCursor(in.Part, data, r.totals != nil, maskOf(r.Masks, in.Part))
		if err != nil {
			return nil, err
		}
		if c != nil {
			h = append(h, c)
		}
	}
	heap.Init(&h)
	return h, nil
}

// addRun appends a run, after the end of a dataset or block where one is due. The
// rows of one profile stay together.
func (r *merger) addRun(c *cursor) error {
	if c.masks.hides(&c.key) {
		return r.leaveOut(c)
	}
	if r.last.service != c.key.service || r.last.typ != c.key.typ {
		if err := r.endDataset(); err != nil {
			return err
		}
	}
	if r.block.samples.Size() >= r.MaxBytes && r.last != c.key {
		if err := r.endDataset(); err != nil {
			return err
		}
		last := r.last
		if err := r.endBlock(&last); err != nil {
			return err
		}
	}
	value, err := r.block.addRun(c, r.last == c.key, r.totals)
	if err != nil {
		return err
	}
	name := datasetName{c.key.service, c.key.typ}
	r.rows[name] += int64(c.current().End - c.from)
	s := r.sums[name]
	s.plus(value)
	r.sums[name] = s
	r.last = c.key
	return nil
}

// endDataset takes the totals of the last dataset to the block.
func (r *merger) endDataset() error {
	if r.totals != nil && len(r.totals.sums) > 0 {
		r.block.totals = r.totals.flush(r.block.totals, r.hour, r.last.service, r.last.typ)
	}
	return nil
}

// check compares what was merged with what the index says of the inputs, and with
// the totals that their profiles carry.
func (r *merger) check() error {
	for name, want := range r.expected {
		if got := r.rows[name] + r.leftOut(name).samples; got != want {
			return r.contradiction("service %q, type %q: %d samples, the index says %d", name.service, name.typ, got, want)
		}
		if err := r.checkLeftOut(name); err != nil {
			return err
		}
		if got, want := r.sums[name], r.profiles.sums[name]; got != want {
			return r.contradiction("service %q, type %q: the values of the samples and of the profiles differ", name.service, name.typ)
		}
	}
	for name := range r.rows {
		if _, ok := r.expected[name]; !ok {
			return r.contradiction("service %q, type %q is not in the index", name.service, name.typ)
		}
	}
	for name := range r.profiles.sums {
		if _, ok := r.expected[name]; !ok {
			return r.contradiction("service %q, type %q is not in the index", name.service, name.typ)
		}
	}
	return nil
}

func (r *merger) contradiction(format string, args ...any) error {
	return inputError(r.inputs[0].Part, warehouse.TableSamples, warehouse.Errorf(warehouse.Corrupt, "of it and %d more: "+format, append([]any{len(r.inputs) - 1}, args...)...))
}

// endBlock hands the block in, with the profiles up to the key, and begins another
// one; without a key it is the last, with all that remains.
func (r *merger) endBlock(last *runKey) error {
	rows := r.profiles.take(last)
	if r.block.isEmpty() && len(rows) == 0 && (r.blocks > 0 || len(r.Masks) > 0) {
		return nil
	}
	b, err := r.finishBlock(rows, last == nil && r.blocks == 0 && len(r.Masks) == 0)
	if err != nil {
		return err
	}
	r.blocks++
	if err := r.emit(b); err != nil {
		return err
	}
	if last == nil {
		return nil
	}
	r.block, err = newBuilder(r.Level, uint32(r.blocks+1), r.groupRows, r.blockBytes())
	return err
}

// finishBlock writes the files of a block. The only one has all definitions of the
// inputs; one of several, and of a job with masks, has those that its rows need.
func (r *merger) finishBlock(profiles []block.ProfileRow, only bool) (*Block, error) {
	w := r.block
	if err := w.flush(); err != nil {
		return nil, err
	}
	b := &Block{Part: warehouse.Part{Object: r.NewID(), Level: r.Level, Format: block.FormatVersion, Tenant: r.tenant, Hour: r.hour}}
	rows := w.samples.Rows()
	if rows > 0 {
		b.add(warehouse.TableSamples, w.samples.Finish(), rows)
	}
	data, n, err := writeTable(warehouse.TableProfiles, func(add func(recordOf) error) error {
		for from := 0; from < len(profiles); from += block.MaxRowGroupRows {
			if err := add(block.ProfilesRecord(profiles[from:min(len(profiles), from+block.MaxRowGroupRows)])); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.add(warehouse.TableProfiles, data, n)
	series, stacks := w.series, w.stacks
	for i := range profiles {
		series[profiles[i].Series] = struct{}{}
	}
	if only {
		series, stacks = nil, nil
	}
	if data, n, err = r.series.write(series); err != nil {
		return nil, err
	}
	b.add(warehouse.TableSeries, data, n)
	if data, n, err = r.stacks.write(stacks); err != nil {
		return nil, err
	}
	b.add(warehouse.TableStacktraces, data, n)
	if r.totals != nil {
		if data, n, err = writeTable(warehouse.TableStackTotals, func(add func(recordOf) error) error {
			return add(block.StackTotalsRecord(w.totals))
		}); err != nil {
			return nil, err
		}
		b.add(warehouse.TableStackTotals, data, n)
	}
	describe(&b.Part, profiles, w.rows)
	return b, b.Part.Validate()
}

// describe fills in what the index says of a part.
func describe(p *warehouse.Part, profiles []block.ProfileRow, rows map[datasetName]int64) {
	p.Range = warehouse.EmptyRange
	var ids map[warehouse.ProfileID]struct{} // of the service
	for i := range profiles {
		r := &profiles[i]
		at := warehouse.TimeRange{From: r.Time, To: r.Time}
		p.Range = p.Range.Union(at)
		if n := len(p.Datasets); n == 0 || p.Datasets[n-1].Service != r.Service {
			p.Datasets = append(p.Datasets, warehouse.Dataset{Service: r.Service})
			ids = map[warehouse.ProfileID]struct{}{}
		}
		d := &p.Datasets[len(p.Datasets)-1]
		if _, known := ids[r.ID]; !known {
			ids[r.ID] = struct{}{}
			d.Profiles++
		}
		if n := len(d.Types); n == 0 || d.Types[n-1].Type != r.Type {
			d.Types = append(d.Types, warehouse.TypeStats{Type: r.Type, Range: warehouse.EmptyRange, Rows: rows[datasetName{r.Service, r.Type}]})
		}
		t := &d.Types[len(d.Types)-1]
		t.Range = t.Range.Union(at)
	}
}

// ctxError returns the error of a context that has ended, or nil.
func ctxError(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return warehouse.Errorf(warehouse.KindOf(ctx.Err()), "merge: %w", context.Cause(ctx))
}
