package block

import (
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// SampleRow is one row of the samples table.
type SampleRow struct {
	Time       warehouse.Micros
	Service    string
	Type       string // text form of the profile type
	Series     warehouse.SeriesID
	Stacktrace warehouse.StacktraceID
	Profile    warehouse.ProfileID
	Span       string // hexadecimal; empty if NULL
	Trace      string // hexadecimal; empty if NULL
	Attributes int64  // 0 if NULL
	Value      int64
}

// ReadSamples calls fn with every row of a samples file, in order. It is for
// inspectors and tests: queries scan samples with DuckDB.
//
// Like all readers of this package it runs in the calling goroutine, returns a
// Corrupt error for bytes that are no such file, and returns fn's error as it
// is as soon as there is one.
func ReadSamples(data []byte, fn func(SampleRow) error) error {
	return readTable(data, warehouse.TableSamples, func(c []columnValues, rows int) error {
		span, trace, attribute := 0, 0, 0 // values used of the optional columns
		for i := range rows {
			row := SampleRow{
				Time:       warehouse.Micros(c[0].ints[i]),
				Service:    c[1].text(i),
				Type:       c[2].text(i),
				Series:     warehouse.SeriesID(c[3].ints[i]),
				Stacktrace: warehouse.StacktraceID(c[4].ints[i]),
				Profile:    c[5].uuid(i),
				Value:      c[9].ints[i],
			}
			if c[6].present[i] == 1 {
				row.Span = c[6].text(span)
				span++
			}
			if c[7].present[i] == 1 {
				row.Trace = c[7].text(trace)
				trace++
			}
			if c[8].present[i] == 1 {
				row.Attributes = c[8].ints[attribute]
				attribute++
			}
			if err := fn(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// ReadProfiles calls fn with every row of a profiles file, in order; see
// [ReadSamples]. Strings may be kept.
func ReadProfiles(data []byte, fn func(ProfileRow) error) error {
	return readTable(data, warehouse.TableProfiles, func(c []columnValues, rows int) error {
		for i := range rows {
			err := fn(ProfileRow{
				Time:       warehouse.Micros(c[0].ints[i]),
				Service:    c[1].text(i),
				Type:       c[2].text(i),
				Series:     warehouse.SeriesID(c[3].ints[i]),
				ID:         c[4].uuid(i),
				DurationNs: c[5].ints[i],
				Period:     c[6].ints[i],
				Value:      c[7].ints[i],
				Samples:    int32(c[8].ints[i]),
				Received:   warehouse.Micros(c[9].ints[i]),
				Flags:      int32(c[10].ints[i]),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// ReadSeries calls fn with every definition of a series file, in order; see
// [ReadSamples]. The series may be kept.
func ReadSeries(data []byte, fn func(warehouse.Series) error) error {
	return readTable(data, warehouse.TableSeries, func(c []columnValues, rows int) error {
		types, err := parseTypes(c[2].texts)
		if err != nil {
			return corrupt(warehouse.TableSeries, err)
		}
		keys, values := &c[3], &c[4]
		if !sameLists(keys, values) {
			return corrupt(warehouse.TableSeries, errLists)
		}
		all := make(warehouse.Labels, len(keys.index))
		for i := range all {
			all[i] = warehouse.Label{Name: keys.text(i), Value: values.text(i)}
		}
		for i := range rows {
			from, to := keys.offsets[i], keys.offsets[i+1]
			err := fn(warehouse.Series{
				ID:     warehouse.SeriesID(c[0].ints[i]),
				Type:   types[c[2].index[i]],
				Labels: all[from:to:to],
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func parseTypes(texts []string) ([]warehouse.ProfileType, error) {
	types := make([]warehouse.ProfileType, len(texts))
	for i, text := range texts {
		var err error
		if types[i], err = warehouse.ParseProfileType(text); err != nil {
			return nil, err
		}
	}
	return types, nil
}

// ReadStacktraces calls fn with every definition of a stacktraces file, in
// order; see [ReadSamples].
//
// Ownership: the frames are valid until fn returns; their strings may be kept,
// but are pieces of larger ones: copy those that live long.
func ReadStacktraces(data []byte, fn func(warehouse.Stacktrace) error) error {
	return readTable(data, warehouse.TableStacktraces, func(c []columnValues, rows int) error {
		for i := 2; i < len(c); i++ {
			if !sameLists(&c[1], &c[i]) {
				return corrupt(warehouse.TableStacktraces, errLists)
			}
		}
		var frames []warehouse.Frame
		for i := range rows {
			frames = frames[:0]
			for j := int(c[1].offsets[i]); j < int(c[1].offsets[i+1]); j++ {
				frames = append(frames, warehouse.Frame{
					Function:   c[1].text(j),
					SystemName: c[2].text(j),
					Filename:   c[3].text(j),
					Line:       c[4].ints[j],
					StartLine:  c[5].ints[j],
					Mapping:    c[6].text(j),
					BuildID:    c[7].text(j),
					Address:    uint64(c[8].ints[j]),
					Inlined:    c[9].bits[j] == 1,
				})
			}
			if err := fn(warehouse.Stacktrace{ID: warehouse.StacktraceID(c[0].ints[i]), Frames: frames}); err != nil {
				return err
			}
		}
		return nil
	})
}
