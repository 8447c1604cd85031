package compactor

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"slices"
	"sort"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// Block is a part that was made, with its files.
type Block struct {
	Part   warehouse.Part
	Tables []TableFile // in the order of the part's sections
}

// TableFile is one table of a block.
type TableFile struct {
	Table warehouse.Table
	Data  []byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (b *Block) add(t warehouse.Table, data []byte, rows int64) {
	if rows == 0 {
		return
	}
	b.Part.Sections = append(b.Part.Sections, warehouse.Section{
		Table: t, Size: int64(len(data)), Rows: rows, CRC: crc32.Checksum(data, castagnoli),
	})
	b.Tables = append(b.Tables, TableFile{t, data})
}

// builder collects the samples of the block in the making.
type builder struct {
	number    uint32 // of the block, from 1
	groupRows int    // most samples of a row group
	samples   *block.Writer
	rows      map[datasetName]int64
	stacks    map[warehouse.StacktraceID]struct{} // used
	series    map[warehouse.SeriesID]struct{}     // used
	totals    []block.StackTotal

	// The row group in the making.
	dict   block.Dicts
	runs   []block.Run
	group  []warehouse.StacktraceID
	values []int64
	spans  []warehouse.SpanID
	traces []warehouse.TraceID
}

// newBuilder begins a block, of about so many bytes of samples.
func newBuilder(level uint8, number uint32, groupRows int, size int64) (*builder, error) {
	w, err := block.NewWriter(warehouse.TableSamples)
	if err != nil {
		return nil, err
	}
	if level < warehouse.LevelFinal {
		w.Loose()
	}
	w.Grow(size)
	return &builder{
		number: number, groupRows: groupRows, samples: w, rows: map[datasetName]int64{},
		stacks: map[warehouse.StacktraceID]struct{}{}, series: map[warehouse.SeriesID]struct{}{},
	}, nil
}

// addRun appends the run that the cursor stands on. It goes on with the run before
// if that is of the same profile: one that was pushed again long after, or a run
// that is cut by the end of a row group.
func (b *builder) addRun(c *cursor, goesOn bool, t *totals) (value sum, err error) {
	r, g := c.current(), &c.group
	n := r.End - c.from
	goesOn = goesOn && len(b.runs) > 0
	if !goesOn && len(b.group) > 0 && len(b.group)+n > b.groupRows {
		if err := b.flush(); err != nil {
			return value, err
		}
	}
	if n := len(b.dict.Services); n == 0 || b.dict.Services[n-1] != c.key.service {
		b.dict.Services = append(b.dict.Services, c.key.service)
	}
	if n := len(b.dict.Types); n == 0 || b.dict.Types[n-1] != c.key.typ {
		b.dict.Types = append(b.dict.Types, c.key.typ)
	}
	if goesOn {
		b.runs[len(b.runs)-1].N += n
	} else {
		b.runs = append(b.runs, block.Run{
			Service: int32(len(b.dict.Services) - 1), Type: int32(len(b.dict.Types) - 1),
			Series: c.key.series, Time: c.key.time, Profile: c.key.profile, N: n,
		})
	}
	b.series[c.key.series] = struct{}{}
	b.rows[datasetName{c.key.service, c.key.typ}] += int64(n)
	if err := g.Load(c.from, r.End); err != nil {
		return value, inputError(c.part, warehouse.TableSamples, err)
	}
	values := g.Values(c.from, r.End)
	var index []uint32
	if g.IsIndexed {
		index = g.Index(c.from, r.End)
	}
	for i, v := range values {
		if v <= 0 {
			return value, inputError(c.part, warehouse.TableSamples, warehouse.Errorf(warehouse.Corrupt, "a sample at %s has the value %d", c.key.time, v))
		}
		entry := c.from + i
		if index != nil {
			entry = int(index[i])
		}
		id := warehouse.StacktraceID(g.Stacks[entry])
		value.add(v)
		b.group = append(b.group, id)
		if c.known.used[entry] != b.number {
			c.known.used[entry] = b.number
			b.stacks[id] = struct{}{}
		}
		if t != nil {
			t.add(&c.known, entry, id, v)
		}
	}
	b.values = append(b.values, values...)
	if err := b.addLinks(c, r.End); err != nil {
		return value, err
	}
	if goesOn {
		b.sortRun()
	}
	return value, nil
}

// sortRun sorts the rows of the last run by stacktrace.
func (b *builder) sortRun() {
	from := len(b.group) - b.runs[len(b.runs)-1].N
	if slices.IsSorted(b.group[from:]) {
		return
	}
	if b.spans != nil {
		b.padLinks()
	}
	sort.Stable(tail{b, from})
}

// tail sorts the rows from a place on.
type tail struct {
	*builder
	from int
}

// Len implements sort.Interface.
func (t tail) Len() int { return len(t.group) - t.from }

// Less implements sort.Interface.
func (t tail) Less(i, j int) bool { return t.group[t.from+i] < t.group[t.from+j] }

// Swap implements sort.Interface.
func (t tail) Swap(i, j int) {
	i, j = t.from+i, t.from+j
	t.group[i], t.group[j] = t.group[j], t.group[i]
	t.values[i], t.values[j] = t.values[j], t.values[i]
	if t.spans != nil {
		t.spans[i], t.spans[j] = t.spans[j], t.spans[i]
		t.traces[i], t.traces[j] = t.traces[j], t.traces[i]
	}
}

// padLinks gives every row a span and a trace.
func (b *builder) padLinks() {
	b.spans = append(b.spans, make([]warehouse.SpanID, len(b.group)-len(b.spans))...)
	b.traces = append(b.traces, make([]warehouse.TraceID, len(b.group)-len(b.traces))...)
}

// addLinks appends the spans and traces of the rows that were appended last.
func (b *builder) addLinks(c *cursor, end int) error {
	g := &c.group
	if g.Spans == nil && g.Traces == nil && b.spans == nil {
		return nil
	}
	b.padLinks()
	at := len(b.group) - (end - c.from)
	for row := c.from; row < end; row, at = row+1, at+1 {
		if g.Spans != nil && g.Spans[row] != "" {
			var raw [8]byte
			if n, err := hex.Decode(raw[:], []byte(g.Spans[row])); err != nil || n != len(raw) || len(g.Spans[row]) != 2*len(raw) {
				return inputError(c.part, warehouse.TableSamples, warehouse.Errorf(warehouse.Corrupt, "span id %q is not 16 hex digits", g.Spans[row]))
			}
			b.spans[at] = warehouse.SpanID(binary.BigEndian.Uint64(raw[:]))
		}
		if g.Traces != nil && g.Traces[row] != "" {
			if len(g.Traces[row]) != 2*len(b.traces[at]) {
				return inputError(c.part, warehouse.TableSamples, warehouse.Errorf(warehouse.Corrupt, "trace id %q is not 32 hex digits", g.Traces[row]))
			}
			if _, err := hex.Decode(b.traces[at][:], []byte(g.Traces[row])); err != nil {
				return inputError(c.part, warehouse.TableSamples, warehouse.Errorf(warehouse.Corrupt, "trace id %q is not 32 hex digits", g.Traces[row]))
			}
		}
	}
	return nil
}

// flush writes the row group.
func (b *builder) flush() error {
	if len(b.group) == 0 {
		return nil
	}
	if b.spans != nil {
		b.padLinks()
	}
	rec := block.SamplesRecord(b.dict, b.runs, b.group, b.values, b.spans, b.traces)
	err := b.samples.Append(rec)
	rec.Release()
	b.dict, b.runs, b.group, b.values, b.spans, b.traces = block.Dicts{}, b.runs[:0], b.group[:0], b.values[:0], nil, nil
	return err
}

// isEmpty reports whether no sample was appended.
func (b *builder) isEmpty() bool { return b.samples.Rows() == 0 && len(b.group) == 0 }
