package profile

import (
	"slices"
	"unicode/utf8"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// The second pass: each kind of message, its references checked. The texts of
// the errors repeat those of Pyroscope where clients may know them.

func (d *Decoder) checkStrings() error {
	p := &d.p
	if len(p.Strings) == 0 || p.Strings[0].Size != 0 {
		return malformed("decode profile: string 0 should be empty string")
	}
	for i, t := range p.Strings {
		if !utf8.Valid(p.Body[t.Offset : t.Offset+t.Size]) {
			return malformed("decode profile: string %d: invalid UTF-8", i)
		}
	}
	return nil
}

// isString reports whether v is the index of a string.
func (d *Decoder) isString(v uint64) bool { return v < uint64(len(d.p.Strings)) }

func (d *Decoder) badString(table string, row int, what string, v uint64) error {
	return malformed("decode profile: %s %d: %s string index out of range: %d of %d", table, row, what, int64(v), len(d.p.Strings))
}

func (d *Decoder) badMessage(table string, row int, f *fields) error {
	return malformed("decode profile: %s %d: at byte %d: %s", table, row, f.pos, f.bad)
}

func (d *Decoder) decodeTypes() error {
	for i, t := range d.sampleTypes {
		f := d.walk(t)
		vt, err := d.valueType(&f, "sample type", i)
		if err != nil {
			return err
		}
		d.p.SampleTypes = append(d.p.SampleTypes, vt)
	}
	return nil
}

// Field numbers of the message ValueType.
const (
	valueTypeType = 1
	valueTypeUnit = 2
)

func (d *Decoder) valueType(f *fields, what string, row int) (ValueType, error) {
	var typ, unit uint64
	for f.next() {
		switch f.num {
		case valueTypeType:
			typ = f.varint()
		case valueTypeUnit:
			unit = f.varint()
		}
	}
	switch {
	case f.bad != "":
		return ValueType{}, d.badMessage(what, row, f)
	case !d.isString(typ):
		return ValueType{}, d.badString(what, row, what+" type", typ)
	case !d.isString(unit):
		return ValueType{}, d.badString(what, row, what+" unit", unit)
	}
	return ValueType{uint32(typ), uint32(unit)}, nil
}

// Field numbers of the message Mapping.
const (
	mappingID          = 1
	mappingMemoryStart = 2
	mappingMemoryLimit = 3
	mappingFileOffset  = 4
	mappingFilename    = 5
	mappingBuildID     = 6
)

func (d *Decoder) decodeMappings() error {
	for i, t := range d.mappings {
		var m Mapping
		var file, build uint64
		f := d.walk(t)
		for f.next() {
			switch f.num {
			case mappingID:
				m.ID = f.varint()
			case mappingMemoryStart:
				m.Start = f.varint()
			case mappingMemoryLimit:
				m.Limit = f.varint()
			case mappingFileOffset:
				m.Offset = f.varint()
			case mappingFilename:
				file = f.varint()
			case mappingBuildID:
				build = f.varint()
			}
		}
		switch {
		case f.bad != "":
			return d.badMessage("mapping", i, &f)
		case m.ID == 0:
			return malformed("decode profile: mapping %d: mapping id is 0", i)
		case !d.isString(file):
			return d.badString("mapping", i, "mapping file name", file)
		case !d.isString(build):
			return d.badString("mapping", i, "mapping build id", build)
		}
		m.File, m.BuildID = uint32(file), uint32(build)
		d.p.Mappings = append(d.p.Mappings, m)
	}
	rows := d.p.Mappings
	if dup, ok := d.mappingRows.build(len(rows), func(i int) uint64 { return rows[i].ID }); !ok {
		return malformed("decode profile: mapping id %d is used twice", dup)
	}
	return nil
}

// Field numbers of the message Function.
const (
	functionID         = 1
	functionName       = 2
	functionSystemName = 3
	functionFilename   = 4
	functionStartLine  = 5
)

func (d *Decoder) decodeFunctions() error {
	d.p.Functions = slices.Grow(d.p.Functions, len(d.functions))
	for i, t := range d.functions {
		var v [8]uint64
		if numbers(d.p.Body[t.Offset:t.Offset+t.Size], &v) != int(t.Size) {
			v = [8]uint64{}
			f := d.walk(t)
			for f.next() {
				switch f.num {
				case functionID, functionName, functionSystemName, functionFilename, functionStartLine:
					v[f.num] = f.varint()
				}
			}
			if f.bad != "" {
				return d.badMessage("function", i, &f)
			}
		}
		name, system, file := v[functionName], v[functionSystemName], v[functionFilename]
		switch {
		case v[functionID] == 0:
			return malformed("decode profile: function %d: function id is 0", i)
		case !d.isString(name):
			return d.badString("function", i, "function name", name)
		case !d.isString(system):
			return d.badString("function", i, "function system name", system)
		case !d.isString(file):
			return d.badString("function", i, "function file name", file)
		}
		d.p.Functions = append(d.p.Functions, Function{
			ID: v[functionID], Name: uint32(name), SystemName: uint32(system), File: uint32(file), StartLine: int64(v[functionStartLine]),
		})
	}
	rows := d.p.Functions
	if dup, ok := d.functionRows.build(len(rows), func(i int) uint64 { return rows[i].ID }); !ok {
		return malformed("decode profile: function id %d is used twice", dup)
	}
	return nil
}

// Field numbers of the messages Location and Line.
const (
	locationID        = 1
	locationMappingID = 2
	locationAddress   = 3
	locationLine      = 4

	lineFunctionID = 1
	lineLine       = 2
)

func (d *Decoder) decodeLocations() error {
	d.p.Locations = slices.Grow(d.p.Locations, len(d.locations))
	for i, t := range d.locations {
		if err := d.decodeLocation(i, t); err != nil {
			return err
		}
	}
	rows := d.p.Locations
	if dup, ok := d.locationRows.build(len(rows), func(i int) uint64 { return rows[i].ID }); !ok {
		return malformed("decode profile: location id %d is used twice", dup)
	}
	return nil
}

func (d *Decoder) decodeLocation(i int, t Text) error {
	l := Location{FirstLine: uint32(len(d.p.Lines))}
	v, ok, err := d.shortLocation(i, d.p.Body[t.Offset:t.Offset+t.Size])
	if err == nil && !ok {
		d.p.Lines = d.p.Lines[:l.FirstLine]
		v, err = d.longLocation(i, t)
	}
	if err != nil {
		return err
	}
	l.ID, l.Address = v[locationID], v[locationAddress]
	l.LinesEnd = uint32(len(d.p.Lines))
	switch n := int(l.LinesEnd - l.FirstLine); {
	case l.ID == 0:
		return malformed("decode profile: location %d: location id is 0", i)
	case n > d.lim.MaxDepth:
		return malformed("decode profile: location id %d has %d lines, the limit of a whole stack is %d", l.ID, n, d.lim.MaxDepth)
	case len(d.p.Lines) > d.lim.MaxRows:
		return refuse(warehouse.ReasonProfileSize, "decode profile: it has more than %d lines", d.lim.MaxRows)
	}
	if mapping := v[locationMappingID]; mapping != 0 {
		row, ok := d.mappingRows.row(mapping)
		if !ok {
			return malformed("decode profile: location id %d: unknown mapping id %d", l.ID, mapping)
		}
		l.Mapping = row + 1
	}
	d.p.Locations = append(d.p.Locations, l)
	return nil
}

// shortLocation reads a location of numbers, followed by lines of less than 128
// bytes, which is how they are written. It is false for any other.
func (d *Decoder) shortLocation(i int, b []byte) (v [8]uint64, ok bool, err error) {
	const tag = locationLine<<3 | byte(wireBytes)
	at := numbers(b, &v)
	if at < 0 {
		return v, false, nil
	}
	for at < len(b) {
		if b[at] != tag || at+1 >= len(b) || b[at+1] >= 0x80 || int(b[at+1]) > len(b)-at-2 {
			return v, false, nil
		}
		end := at + 2 + int(b[at+1])
		var line [8]uint64
		if numbers(b[at+2:end], &line) != end-at-2 {
			return v, false, nil
		}
		if err := d.addLine(i, line[lineFunctionID], int64(line[lineLine])); err != nil {
			return v, true, err
		}
		at = end
	}
	return v, true, nil
}

// longLocation reads any location.
func (d *Decoder) longLocation(i int, t Text) (v [8]uint64, err error) {
	f := d.walk(t)
	for f.next() {
		switch f.num {
		case locationID, locationMappingID, locationAddress:
			v[f.num] = f.varint()
		case locationLine:
			if f.message() {
				if err := d.decodeLine(i, f.nested()); err != nil {
					return v, err
				}
			}
		}
	}
	if f.bad != "" {
		return v, d.badMessage("location", i, &f)
	}
	return v, nil
}

func (d *Decoder) decodeLine(i int, f fields) error {
	var function uint64
	var line int64
	for f.next() {
		switch f.num {
		case lineFunctionID:
			function = f.varint()
		case lineLine:
			line = int64(f.varint())
		}
	}
	if f.bad != "" {
		return d.badMessage("line of location", i, &f)
	}
	return d.addLine(i, function, line)
}

// addLine appends a line of location i. A line without a function says nothing and
// is left out: a location that has only such has no symbols.
func (d *Decoder) addLine(i int, function uint64, line int64) error {
	if function == 0 {
		return nil
	}
	row, ok := d.functionRows.row(function)
	if !ok {
		return malformed("decode profile: location %d: unknown function id %d", i, function)
	}
	d.p.Lines = append(d.p.Lines, Line{row, line})
	return nil
}

// Field numbers of the messages Sample and Label.
const (
	sampleLocationID = 1
	sampleValue      = 2
	sampleLabel      = 3

	labelKey     = 1
	labelString  = 2
	labelNumUnit = 4
)

func (d *Decoder) decodeSamples() error {
	p := &d.p
	p.Samples = slices.Grow(p.Samples, len(d.samples))
	// A value takes a byte at least: a body that has too few is refused below.
	p.Values = slices.Grow(p.Values, min(len(d.samples)*len(p.SampleTypes), len(p.Body)))
	for i, t := range d.samples {
		if err := d.decodeSample(i, d.walk(t)); err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) decodeSample(i int, f fields) error {
	p := &d.p
	s := Sample{FirstLocation: uint32(len(p.SampleLocations)), FirstLabel: uint32(len(p.SampleLabels))}
	firstValue, nLabels := len(p.Values), 0
	for f.next() {
		switch f.num {
		case sampleLocationID:
			if f.typ == wireBytes {
				if err := d.packedLocations(i, f.b[f.start:f.end]); err != nil {
					return err
				}
			} else if err := d.sampleLocation(i, f.varint()); err != nil {
				return err
			}
		case sampleValue:
			if f.typ != wireBytes {
				p.Values = append(p.Values, int64(f.varint()))
			} else if !d.packedValues(f.b[f.start:f.end]) {
				return malformed("decode profile: sample %d: values are cut short", i)
			}
			if n := len(p.Values) - firstValue; n > len(p.SampleTypes) {
				return d.badValues(i, n)
			}
		case sampleLabel:
			if f.message() {
				nLabels++
				if err := d.decodeLabel(i, f.nested()); err != nil {
					return err
				}
			}
		}
	}
	switch n := len(p.Values) - firstValue; {
	case f.bad != "":
		return d.badMessage("sample", i, &f)
	case n != len(p.SampleTypes):
		return d.badValues(i, n)
	case nLabels > d.lim.MaxSampleLabels:
		return refuse(warehouse.ReasonSampleLabels, "decode profile: sample %d has %d labels, the limit is %d", i, nLabels, d.lim.MaxSampleLabels)
	}
	s.LocationsEnd, s.LabelsEnd = uint32(len(p.SampleLocations)), uint32(len(p.SampleLabels))
	p.Samples = append(p.Samples, s)
	return nil
}

func (d *Decoder) badValues(i, n int) error {
	want := len(d.p.SampleTypes)
	if n > want {
		return malformed("decode profile: sample %d has more than %d values, want one per sample type", i, want)
	}
	return malformed("decode profile: sample %d has %d values, want one per sample type: %d", i, n, want)
}

// packedLocations appends a packed list of location ids: the inner loop of
// decoding.
func (d *Decoder) packedLocations(sample int, b []byte) error {
	dst := slices.Grow(d.p.SampleLocations, len(b))
	dense, n := d.locationRows.dense, uint64(len(d.p.Locations))
	for i := 0; i < len(b); {
		id := uint64(b[i])
		switch {
		case id < 0x80:
			i++
		case i+1 < len(b) && b[i+1] < 0x80:
			id = id&0x7f | uint64(b[i+1])<<7
			i += 2
		default:
			if id, i = uvarint(b, i); i < 0 {
				return malformed("decode profile: sample %d: location ids are cut short", sample)
			}
		}
		if dense && id-1 < n {
			dst = append(dst, uint32(id-1))
			continue
		}
		row, ok := d.locationRows.row(id)
		if !ok {
			return d.unknownLocation(sample, id)
		}
		dst = append(dst, row)
	}
	d.p.SampleLocations = dst
	return nil
}

func (d *Decoder) sampleLocation(sample int, id uint64) error {
	row, ok := d.locationRows.row(id)
	if !ok {
		return d.unknownLocation(sample, id)
	}
	d.p.SampleLocations = append(d.p.SampleLocations, row)
	return nil
}

func (d *Decoder) unknownLocation(sample int, id uint64) error {
	return malformed("decode profile: sample %d: unknown location id %d", sample, id)
}

// packedValues appends a packed list of values. It returns false if the list is
// cut short; it stops behind the first value that is too many.
func (d *Decoder) packedValues(b []byte) bool {
	most := len(d.p.Values) + len(d.p.SampleTypes)
	for i := 0; i < len(b) && len(d.p.Values) <= most; {
		var v uint64
		if v, i = uvarint(b, i); i < 0 {
			return false
		}
		d.p.Values = append(d.p.Values, int64(v))
	}
	return true
}

// decodeLabel appends a label of sample i if it has a string.
func (d *Decoder) decodeLabel(i int, f fields) error {
	var key, str, unit uint64
	for f.next() {
		switch f.num {
		case labelKey:
			key = f.varint()
		case labelString:
			str = f.varint()
		case labelNumUnit:
			unit = f.varint()
		}
	}
	if f.bad != "" {
		return d.badMessage("label of sample", i, &f)
	}
	for _, v := range [...]uint64{key, str, unit} {
		if !d.isString(v) {
			return d.badString("sample", i, "sample label", v)
		}
	}
	if str != 0 {
		d.p.SampleLabels = append(d.p.SampleLabels, SampleLabel{uint32(key), uint32(str)})
	}
	return nil
}
