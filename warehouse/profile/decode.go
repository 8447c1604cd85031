package profile

import (
	"unsafe"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Profile is a decoded pprof as flat tables. Rows refer to one another by index:
// every index has been checked, and the ids of the wire format are resolved.
//
// Ownership: it belongs to its Decoder and is valid until the next Decode.
type Profile struct {
	Body            []byte // what Strings point into
	Strings         []Text // the first one is empty
	SampleTypes     []ValueType
	Mappings        []Mapping
	Functions       []Function
	Locations       []Location
	Lines           []Line
	Samples         []Sample
	SampleLocations []uint32 // locations of all samples
	Values          []int64  // one per sample type for each sample
	SampleLabels    []SampleLabel
	PeriodType      ValueType
	Period          int64
	TimeNanos       int64
	DurationNanos   int64
}

// Text is a range of bytes.
type Text struct{ Offset, Size uint32 }

// ValueType names what a value measures; fields are indices of strings.
type ValueType struct{ Type, Unit uint32 }

// Mapping is a binary that was loaded; File and BuildID are indices of strings.
type Mapping struct {
	ID                   uint64
	Start, Limit, Offset uint64
	File, BuildID        uint32
}

// Function is a symbol; Name, SystemName and File are indices of strings.
type Function struct {
	ID                     uint64
	Name, SystemName, File uint32
	StartLine              int64
}

// Location is a place in a binary. Its lines, innermost inlined call first, are
// Lines[FirstLine:LinesEnd]; it has none if it has no symbols.
type Location struct {
	ID                  uint64
	Address             uint64
	Mapping             uint32 // index of a mapping plus 1; 0 is none
	FirstLine, LinesEnd uint32
}

// Line is a line of a function; Function is an index of functions.
type Line struct {
	Function uint32
	Line     int64
}

// Sample is a stack and its values. Its locations, leaf first, are
// SampleLocations[FirstLocation:LocationsEnd]; its labels likewise.
type Sample struct {
	FirstLocation, LocationsEnd uint32
	FirstLabel, LabelsEnd       uint32
}

// SampleLabel is a string label of a sample; Key and Value are indices of
// strings. Numeric labels are not decoded.
type SampleLabel struct{ Key, Value uint32 }

// Text returns the string with index i. It aliases Body.
func (p *Profile) Text(i uint32) string { return textOf(p.Body, p.Strings[i]) }

func textOf(body []byte, t Text) string {
	if t.Size == 0 {
		return ""
	}
	return unsafe.String(&body[t.Offset], t.Size)
}

// Decoder decodes pprof bodies into tables that it reuses.
//
// Concurrency: not safe for concurrent use. It may be used again after an error.
type Decoder struct {
	p   Profile
	lim Limits

	// Ranges of the messages of each kind, found by the first pass.
	sampleTypes, samples, mappings, locations, functions []Text

	mappingRows, functionRows, locationRows idIndex
}

// Decode decodes an inflated pprof and checks all of it. Errors are Invalid and
// say which row of which table is wrong. The profile aliases body.
//
// Two passes: the first notes where each message lies, so that the second can
// check references against complete tables whatever the order of fields.
func (d *Decoder) Decode(body []byte, lim Limits) (*Profile, error) {
	d.reset()
	d.lim = lim.withDefaults()
	if len(body) == 0 {
		return nil, malformed("decode profile: empty profile")
	}
	if int64(len(body)) > d.lim.MaxBytes {
		return nil, tooLarge(d.lim.MaxBytes)
	}
	d.p.Body = body
	if err := d.scan(); err != nil {
		return nil, err
	}
	for _, pass := range []func() error{
		d.checkStrings, d.decodeTypes, d.decodeMappings, d.decodeFunctions, d.decodeLocations, d.decodeSamples,
	} {
		if err := pass(); err != nil {
			return nil, err
		}
	}
	return &d.p, nil
}

func (d *Decoder) reset() {
	p := &d.p
	d.p = Profile{
		Strings:         reuse(p.Strings),
		SampleTypes:     reuse(p.SampleTypes),
		Mappings:        reuse(p.Mappings),
		Functions:       reuse(p.Functions),
		Locations:       reuse(p.Locations),
		Lines:           reuse(p.Lines),
		Samples:         reuse(p.Samples),
		SampleLocations: reuse(p.SampleLocations),
		Values:          reuse(p.Values),
		SampleLabels:    reuse(p.SampleLabels),
	}
	d.sampleTypes, d.samples = reuse(d.sampleTypes), reuse(d.samples)
	d.mappings, d.locations, d.functions = reuse(d.mappings), reuse(d.locations), reuse(d.functions)
}

// maxKept is the most bytes one scratch table keeps between profiles: one huge
// profile must not hold memory for ever.
const maxKept = 4 << 20

// reuse empties s, or drops it when it has grown too large to keep.
func reuse[T any](s []T) []T {
	var t T
	if uintptr(cap(s))*unsafe.Sizeof(t) > maxKept {
		return nil
	}
	return s[:0]
}

// Field numbers of the message perftools.profiles.Profile.
const (
	profileSampleType    = 1
	profileSample        = 2
	profileMapping       = 3
	profileLocation      = 4
	profileFunction      = 5
	profileStringTable   = 6
	profileTimeNanos     = 9
	profileDurationNanos = 10
	profilePeriodType    = 11
	profilePeriod        = 12
)

// scan is the first pass. Fields that Stackhouse has no use for (comments,
// default sample type, frames to drop or keep) are skipped.
func (d *Decoder) scan() error {
	p := &d.p
	var periodType fields
	f := fields{b: p.Body}
	for f.rows(d) && f.next() {
		switch f.num {
		case profileSampleType:
			d.sampleTypes = f.appendRange(d.sampleTypes)
		case profileSample:
			d.samples = f.appendRange(d.samples)
		case profileMapping:
			d.mappings = f.appendRange(d.mappings)
		case profileLocation:
			d.locations = f.appendRange(d.locations)
		case profileFunction:
			d.functions = f.appendRange(d.functions)
		case profileStringTable:
			p.Strings = f.appendRange(p.Strings)
		case profileTimeNanos:
			p.TimeNanos = int64(f.varint())
		case profileDurationNanos:
			p.DurationNanos = int64(f.varint())
		case profilePeriod:
			p.Period = int64(f.varint())
		case profilePeriodType:
			if f.message() {
				periodType = f.nested()
			}
		}
	}
	if f.bad != "" {
		return malformed("decode profile: at byte %d: %s", f.pos, f.bad)
	}
	if err := d.checkCounts(); err != nil {
		return err
	}
	var err error
	p.PeriodType, err = d.valueType(&periodType, "period type", 0)
	return err
}

// rows passes over rows of up to 16 KiB of the large tables: the short way through
// the first pass. It leaves every other field, and all that is wrong, to next.
func (f *fields) rows(d *Decoder) bool {
	b, i := f.b, f.pos
	for i+2 < len(b) {
		var table *[]Text
		switch b[i] {
		case profileSample<<3 | byte(wireBytes):
			table = &d.samples
		case profileLocation<<3 | byte(wireBytes):
			table = &d.locations
		case profileFunction<<3 | byte(wireBytes):
			table = &d.functions
		case profileStringTable<<3 | byte(wireBytes):
			table = &d.p.Strings
		default:
			f.pos = i
			return true
		}
		start, n := i+2, int(b[i+1])
		if n >= 0x80 {
			if b[i+2] >= 0x80 {
				break
			}
			start, n = i+3, n&0x7f|int(b[i+2])<<7
		}
		if n > len(b)-start {
			break
		}
		*table = append(*table, Text{uint32(start), uint32(n)})
		i = start + n
	}
	f.pos = i
	return true
}

// appendRange appends where the current field's bytes lie.
func (f *fields) appendRange(dst []Text) []Text {
	if !f.message() {
		return dst
	}
	return append(dst, Text{uint32(f.start), uint32(f.end - f.start)})
}

func (d *Decoder) checkCounts() error {
	if n := len(d.samples); n > d.lim.MaxSamples {
		return refuse(warehouse.ReasonSamplesLimit, "decode profile: it has %d samples, the limit is %d", n, d.lim.MaxSamples)
	}
	for _, t := range []struct {
		name string
		n    int
	}{
		{"strings", len(d.p.Strings)},
		{"mappings", len(d.mappings)},
		{"functions", len(d.functions)},
		{"locations", len(d.locations)},
	} {
		if t.n > d.lim.MaxRows {
			return refuse(warehouse.ReasonProfileSize, "decode profile: it has %d %s, the limit is %d", t.n, t.name, d.lim.MaxRows)
		}
	}
	if len(d.sampleTypes) == 0 {
		return malformed("decode profile: empty profile: it has no sample types")
	}
	if len(d.sampleTypes) > d.lim.MaxSeries {
		return refuse(warehouse.ReasonSeriesLimit, "decode profile: it has %d sample types, the limit is %d", len(d.sampleTypes), d.lim.MaxSeries)
	}
	return nil
}

// walk returns the walk over the message in the range t of the body.
func (d *Decoder) walk(t Text) fields {
	return fields{b: d.p.Body[:t.Offset+t.Size], pos: int(t.Offset)}
}
