package block

import (
	"fmt"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// SampleColumns are rows of a samples file by column, without the columns that
// identify profiles, spans, traces and attributes. Times, Series and Values have
// one element a row.
type SampleColumns struct {
	First    int64           // row of the file that is the first of them
	Datasets []SampleDataset // of consecutive rows; together all rows
	Times    []int64         // warehouse.Micros
	Series   []int64         // warehouse.SeriesID
	Values   []int64

	// Stacks are stacktrace ids (warehouse.StacktraceID): those of the rows if
	// Index is nil. Otherwise the id of row i is Stacks[Index[i]], so that work
	// on ids need not be done row by row.
	Stacks []int64
	Index  []uint32
}

// SampleDataset is consecutive rows of one service and type.
type SampleDataset struct {
	Service string
	Type    string // text form of the profile type
	End     int    // first row after them
}

// Columns of the samples table, as the leaves are numbered.
const (
	sampleTime, sampleService, sampleType, sampleSeries, sampleStack, sampleValue = 0, 1, 2, 3, 4, 9
)

// ReadSampleColumns calls fn with the rows of a samples file by column, one row
// group after another; see [ReadSamples], of which it needs a quarter of the
// time. It does not look at the columns that it does not return, nor at row groups
// whose rows, from the first up to the end, are not wanted; nil wants all.
//
// Ownership: the columns are valid until fn returns; the names of datasets may be
// kept.
func ReadSampleColumns(data []byte, wants func(first, end int64) bool, fn func(*SampleColumns) error) error {
	const t = warehouse.TableSamples
	tab := tables[t]
	m, err := readMetadata(data, t, tab)
	if err != nil {
		return err
	}
	reader := chunkReaders.Get().(*chunkReader)
	defer reader.release()
	r := sampleReader{chunks: reader, columns: reader.leafValues(len(tab.leaves))}
	end := int64(0)
	for i := range m.groups {
		first := end
		end += m.groups[i].rows
		if wants != nil && !wants(first, end) {
			continue
		}
		if err := r.read(data, tab, &m.groups[i]); err != nil {
			return corrupt(t, fmt.Errorf("row group %d: %w", i, err))
		}
		r.out.First = first
		if err := fn(&r.out); err != nil {
			return err
		}
	}
	return nil
}

// sampleReader reads samples by column.
type sampleReader struct {
	chunks  *chunkReader
	columns []columnValues
	out     SampleColumns
}

// read fills out with the rows of the group.
func (r *sampleReader) read(data []byte, tab *table, g *groupRef) error {
	for _, columns := range [...][2]int{{sampleTime, sampleStack}, {sampleValue, sampleValue + 1}} {
		if err := readLeaves(r.chunks, data, tab, g, r.columns, columns[0], columns[1]); err != nil {
			return err
		}
	}
	if err := readLeaf(r.chunks.readIndexed, data, tab, g, r.columns, sampleStack); err != nil {
		return err
	}
	c := r.columns
	r.out.Times, r.out.Series, r.out.Values = c[sampleTime].ints, c[sampleSeries].ints, c[sampleValue].ints
	r.out.Stacks, r.out.Index = c[sampleStack].ints, nil
	if index := c[sampleStack].index; len(index) > 0 {
		r.out.Stacks, r.out.Index = c[sampleStack].entries, index
	}
	r.findDatasets(&c[sampleService], &c[sampleType])
	return nil
}

// findDatasets cuts the rows where the service or the type changes. Entries of a
// dictionary may be equal texts.
func (r *sampleReader) findDatasets(services, types *columnValues) {
	r.out.Datasets = r.out.Datasets[:0]
	s, t := services.index, types.index
	t = t[:len(s)]
	for from := 0; from < len(s); {
		end := from + 1
		for end < len(s) && s[end] == s[from] && t[end] == t[from] {
			end++
		}
		next := SampleDataset{Service: services.texts[s[from]], Type: types.texts[t[from]], End: end}
		if n := len(r.out.Datasets); n > 0 && r.out.Datasets[n-1].Service == next.Service && r.out.Datasets[n-1].Type == next.Type {
			r.out.Datasets[n-1].End = end
		} else {
			r.out.Datasets = append(r.out.Datasets, next)
		}
		from = end
	}
}
