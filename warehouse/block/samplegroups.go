package block

import (
	"fmt"
	"io"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// SampleGroup is a row group of a samples file in the form in which files are
// merged: runs of rows that share all but stacktrace, span and value. Stacktraces and
// values are read page by page, as the runs are come by; see [SampleGroup.Load].
type SampleGroup struct {
	Services, Types []string // by the numbers in runs; they may have equal texts
	Runs            []SampleRun

	// Stacks are stacktrace ids: those of the rows if IsIndexed is false, else a
	// dictionary into which the rows' Index points.
	Stacks    []int64
	IsIndexed bool

	Spans  []string // hexadecimal, "" if NULL; nil if all are
	Traces []string // likewise

	index, values window
}

// SampleRun is consecutive rows of one profile and series.
type SampleRun struct {
	Service, Type uint32
	Series        warehouse.SeriesID
	Time          warehouse.Micros
	Profile       warehouse.ProfileID
	End           int // first row after the run
}

// SampleReader reads a samples file row group by row group.
//
// Concurrency: one goroutine at a time.
type SampleReader struct {
	data []byte
	meta *metadata
	next int
}

// NewSampleReader opens a samples file, whose bytes were verified; they must stay
// as they are until the last Next. Corrupt: they are no such file.
func NewSampleReader(data []byte) (*SampleReader, error) {
	m, err := readMetadata(data, warehouse.TableSamples, tables[warehouse.TableSamples])
	if err != nil {
		return nil, err
	}
	return &SampleReader{data: data, meta: m}, nil
}

// Next fills g, whose memory it uses again, with the next row group. It returns
// io.EOF after the last one.
//
// A row with attributes is a Corrupt error: no version of this program writes one.
func (r *SampleReader) Next(g *SampleGroup) error {
	for r.next < len(r.meta.groups) && r.meta.groups[r.next].rows == 0 {
		r.next++
	}
	if r.next == len(r.meta.groups) {
		return io.EOF
	}
	ref := &r.meta.groups[r.next]
	chunks := chunkReaders.Get().(*chunkReader)
	defer chunks.release()
	if err := g.read(chunks, r.data, ref); err != nil {
		return corrupt(warehouse.TableSamples, fmt.Errorf("row group %d: %w", r.next, err))
	}
	r.next++
	return nil
}

// Columns of the samples table that SampleColumns does not have.
const (
	sampleProfile, sampleSpan, sampleTrace, sampleAttributes = 5, 6, 7, 8
)

func (g *SampleGroup) read(chunks *chunkReader, data []byte, ref *groupRef) error {
	tab := tables[warehouse.TableSamples]
	c := chunks.leafValues(len(tab.leaves))
	if err := readLeaves(chunks, data, tab, ref, c, 0, sampleStack); err != nil {
		return err
	}
	if err := readLeaves(chunks, data, tab, ref, c, sampleProfile, sampleValue); err != nil {
		return err
	}
	if countOnes(c[sampleAttributes].present) > 0 {
		return fmt.Errorf("a row has attributes")
	}
	g.Spans, g.Traces = optionalTexts(&c[sampleSpan]), optionalTexts(&c[sampleTrace])
	g.Services, g.Types = append(g.Services[:0], c[sampleService].texts...), append(g.Types[:0], c[sampleType].texts...)
	g.findRuns(c)
	if err := g.values.open(chunks, data, tab, ref, sampleValue, false); err != nil {
		return err
	}
	if err := g.index.open(chunks, data, tab, ref, sampleStack, true); err != nil {
		return err
	}
	if g.IsIndexed = g.index.isIndexed(); g.IsIndexed {
		g.Stacks = g.index.dictionary.ints
		return nil
	}
	// Ids of their own are of a file in which they hardly repeat.
	if err := readLeaf(chunks.read, data, tab, ref, c, sampleStack); err != nil {
		return err
	}
	g.Stacks = append([]int64(nil), c[sampleStack].ints...)
	return nil
}

// Load makes the rows [from, end) available to Index and Values, and forgets those
// before. Rows are loaded in their order. An error is Corrupt.
func (g *SampleGroup) Load(from, end int) error {
	err := g.values.load(from, end)
	if err == nil && g.IsIndexed {
		err = g.index.load(from, end)
	}
	if err != nil {
		return corrupt(warehouse.TableSamples, err)
	}
	return nil
}

// Index returns for each of the loaded rows [from, end) where its id is in Stacks,
// if IsIndexed. It is valid until the next Load.
func (g *SampleGroup) Index(from, end int) []uint32 {
	return g.index.rows.index[from-g.index.base : end-g.index.base]
}

// Values returns the values of the loaded rows [from, end). They are valid until the
// next Load.
func (g *SampleGroup) Values(from, end int) []int64 {
	return g.values.rows.ints[from-g.values.base : end-g.values.base]
}

// optionalTexts returns a value for each row, or nil if there is none at all.
func optionalTexts(v *columnValues) []string {
	if len(v.index) == 0 {
		return nil
	}
	out := make([]string, len(v.present))
	n := 0
	for i, there := range v.present {
		if there == 1 {
			out[i] = v.text(n)
			n++
		}
	}
	return out
}

// same reports whether two values are equal texts. Values that are not in a
// dictionary have numbers of their own.
func (v *columnValues) same(i, j int) bool {
	return v.index[i] == v.index[j] || v.text(i) == v.text(j)
}

func (g *SampleGroup) findRuns(c []columnValues) {
	g.Runs = g.Runs[:0]
	services, types := c[sampleService].index, c[sampleType].index
	times, series, profiles := c[sampleTime].ints, c[sampleSeries].ints, c[sampleProfile].fixed
	rows := len(services)
	for from := 0; from < rows; {
		end := from + 1
		profile := string(profiles[16*from : 16*from+16])
		for end < rows && series[end] == series[from] && times[end] == times[from] && string(profiles[16*end:16*end+16]) == profile &&
			c[sampleService].same(from, end) && c[sampleType].same(from, end) {
			end++
		}
		g.Runs = append(g.Runs, SampleRun{
			Service: services[from], Type: types[from], Series: warehouse.SeriesID(series[from]), Time: warehouse.Micros(times[from]),
			Profile: warehouse.ProfileID([]byte(profile)), End: end,
		})
		from = end
	}
}
