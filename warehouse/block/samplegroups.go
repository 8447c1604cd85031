package block

import (
	"fmt"
	"io"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// SampleGroup is a row group of a samples file in the form in which files are
// merged: runs of rows that share all but stacktrace, span and value.
type SampleGroup struct {
	Services, Types []string // by the numbers in runs; they may have equal texts
	Runs            []SampleRun

	// Stacktrace ids: those of the rows if Index is nil, else row i has
	// Stacks[Index[i]].
	Stacks []int64
	Index  []uint32

	Values []int64
	Spans  []string // hexadecimal, "" if NULL; nil if all are
	Traces []string // likewise
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
	if err := readLeaf(chunks.readIndexed, data, tab, ref, c, sampleStack); err != nil {
		return err
	}
	stacks := &c[sampleStack]
	g.Stacks, g.Index = append(g.Stacks[:0], stacks.ints...), nil
	if len(stacks.index) > 0 {
		g.Stacks = append(g.Stacks[:0], stacks.entries...)
		g.Index = append([]uint32(nil), stacks.index...)
	}
	if err := readLeaves(chunks, data, tab, ref, c, sampleProfile, sampleValue+1); err != nil {
		return err
	}
	if countOnes(c[sampleAttributes].present) > 0 {
		return fmt.Errorf("a row has attributes")
	}
	g.Values = append(g.Values[:0], c[sampleValue].ints...)
	g.Spans, g.Traces = optionalTexts(&c[sampleSpan]), optionalTexts(&c[sampleTrace])
	g.Services, g.Types = append(g.Services[:0], c[sampleService].texts...), append(g.Types[:0], c[sampleType].texts...)
	g.findRuns(c)
	return nil
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
