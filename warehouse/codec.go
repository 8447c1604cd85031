package warehouse

import (
	"encoding/binary"
	"math"
)

// descriptionVersion is the version of the byte form drawn below.
const descriptionVersion = 1

// The byte form of segments and parts, version 1, of the primitives of
// [Encoder]. It is what a segment's footer and the metastore's commands and
// snapshots hold, so it is frozen: a change needs a new version, and old ones
// are read for ever.
//
//	Segment = 01 ‖ id[16] ‖ uvarint(shard) ‖ size(Size)
//	             ‖ uvarint(n) ‖ n×part ‖ keys ‖ uvarint(n) ‖ n×epoch
//	Part    = 01 ‖ part
//
//	part    = bool(named) ‖ [id[16] ‖ uvarint(shard)] ‖ level[1] ‖ uvarint(format)
//	             ‖ string(tenant) ‖ varint(hour) ‖ range(start of the hour)
//	             ‖ uvarint(n) ‖ n×dataset ‖ uvarint(n) ‖ n×section
//	dataset = string(service) ‖ size(profiles) ‖ uvarint(n) ‖ n×type
//	type    = string(type) ‖ range(From of the part) ‖ size(rows)
//	section = table[1] ‖ size(offset) ‖ size(size) ‖ size(rows) ‖ fixed32(crc)
//	keys    = uvarint(n) ‖ n×(string(tenant) ‖ uvarint(m) ‖ m×id[16])
//	epoch   = string(tenant) ‖ string(service) ‖ varint(hour) ‖ uvarint(value)
//	range(base) = varint(From − base) ‖ varint(To − From), modulo 2^64
//
// A part inside a segment is named only if its id or shard differ from the
// segment's. Each run of keys is as long as its tenant lasts: m ≥ 1, and
// neighbours differ in tenant. Order is kept as given.
const (
	minPartBytes    = 9
	minDatasetBytes = 3
	minTypeBytes    = 4
	minSectionBytes = 8
	minKeysBytes    = 2 + len(ProfileID{})
	minEpochBytes   = 4
	minTextBytes    = 1
	minIDBytes      = 8
)

// AppendSegment appends the canonical byte form of s. Equal segments give equal
// bytes. Sizes, offsets and counts in s must not be negative.
func AppendSegment(dst []byte, s *Segment) []byte {
	e := NewEncoder(dst)
	e.Byte(descriptionVersion)
	e.Raw(s.ID[:])
	e.Uvarint(uint64(s.Shard))
	e.Size(s.Size)
	e.Uvarint(uint64(len(s.Parts)))
	for i := range s.Parts {
		p := &s.Parts[i]
		encodePart(e, p, p.Object != s.ID || p.Shard != s.Shard)
	}
	encodeKeys(e, s.Profiles)
	e.Uvarint(uint64(len(s.Epochs)))
	for i := range s.Epochs {
		e.Epoch(s.Epochs[i])
	}
	return e.Bytes()
}

// DecodeSegment reads what [AppendSegment] wrote. Damaged, foreign or newer
// bytes are a Corrupt error; whatever the bytes, memory stays within a small
// multiple of their length. The result shares no memory with data. Empty lists
// are nil. The content is not judged: see [Segment.Validate].
func DecodeSegment(data []byte) (*Segment, error) {
	d := NewDecoder("segment", data)
	d.Version(descriptionVersion)
	s := &Segment{}
	copy(s.ID[:], d.Raw(len(s.ID)))
	s.Shard = uint32(d.UvarintMax(math.MaxUint32))
	s.Size = d.Size()
	if n := d.Count(minPartBytes); n > 0 {
		s.Parts = make([]Part, n)
		for i := range s.Parts {
			decodePart(d, &s.Parts[i], s)
		}
	}
	s.Profiles = decodeKeys(d)
	if n := d.Count(minEpochBytes); n > 0 {
		s.Epochs = make([]Epoch, n)
		for i := range s.Epochs {
			s.Epochs[i] = d.Epoch()
		}
	}
	if err := d.Finish(); err != nil {
		return nil, err
	}
	return s, nil
}

// AppendPart appends the canonical byte form of p; see [AppendSegment].
func AppendPart(dst []byte, p *Part) []byte {
	e := NewEncoder(dst)
	e.Byte(descriptionVersion)
	e.Part(p)
	return e.Bytes()
}

// DecodePart reads what [AppendPart] wrote; see [DecodeSegment].
func DecodePart(data []byte) (*Part, error) {
	d := NewDecoder("part", data)
	d.Version(descriptionVersion)
	p := d.Part()
	if err := d.Finish(); err != nil {
		return nil, err
	}
	return p, nil
}

// Part appends p to a message that has a version of its own.
func (e *Encoder) Part(p *Part) { encodePart(e, p, true) }

// Part reads what [Encoder.Part] appended. After an error of d, the part is
// incomplete.
func (d *Decoder) Part() *Part {
	p := &Part{}
	decodePart(d, p, nil)
	return p
}

// Epoch appends ep to a message.
func (e *Encoder) Epoch(ep Epoch) {
	e.String(string(ep.Key.Tenant))
	e.String(ep.Key.Service)
	e.Varint(int64(ep.Key.Hour))
	e.Uvarint(ep.Value)
}

// Epoch reads what [Encoder.Epoch] appended.
func (d *Decoder) Epoch() Epoch {
	var ep Epoch
	ep.Key.Tenant = Tenant(d.String())
	ep.Key.Service = d.String()
	ep.Key.Hour = Hour(d.Varint())
	ep.Value = d.Uvarint()
	return ep
}

// Deletion appends d to a message, without what the metastore gives it, which are
// Index and SubmittedAt:
//
//	id[16] ‖ string(tenant) ‖ texts(services) ‖ texts(types) ‖ uvarint(n) ‖ n×fixed64(series)
//	   ‖ varint(From) ‖ varint(To) ‖ string(selector) ‖ reason[1]
//	texts = uvarint(n) ‖ n×string
func (e *Encoder) Deletion(d *Deletion) {
	e.Raw(d.ID[:])
	e.String(string(d.Tenant))
	encodeTexts(e, d.Services)
	encodeTexts(e, d.Types)
	e.Uvarint(uint64(len(d.Series)))
	for _, id := range d.Series {
		e.Raw(binary.LittleEndian.AppendUint64(nil, uint64(id)))
	}
	e.Varint(int64(d.From))
	e.Varint(int64(d.To))
	e.String(d.Selector)
	e.Byte(byte(d.Reason))
}

// Deletion reads what [Encoder.Deletion] appended. Lists that are not sorted are an
// error of d.
func (d *Decoder) Deletion() *Deletion {
	out := &Deletion{}
	copy(out.ID[:], d.Raw(len(out.ID)))
	out.Tenant = Tenant(d.String())
	out.Services, out.Types = decodeTexts(d), decodeTexts(d)
	if n := d.Count(minIDBytes); n > 0 {
		out.Series = make([]SeriesID, n)
		for i := range out.Series {
			if raw := d.Raw(minIDBytes); len(raw) == minIDBytes {
				out.Series[i] = SeriesID(binary.LittleEndian.Uint64(raw))
			}
		}
	}
	out.From, out.To = Micros(d.Varint()), Micros(d.Varint())
	out.Selector = d.String()
	out.Reason = DeletionReason(d.Byte())
	if !isSorted(out.Services) || !isSorted(out.Types) || !isSorted(out.Series) {
		d.Failf("services, types or series of deletion %s are not sorted", out.ID)
	}
	return out
}

func encodeTexts(e *Encoder, texts []string) {
	e.Uvarint(uint64(len(texts)))
	for _, s := range texts {
		e.String(s)
	}
}

func decodeTexts(d *Decoder) []string {
	var out []string
	for range d.Count(minTextBytes) {
		out = append(out, d.String())
	}
	return out
}

func encodePart(e *Encoder, p *Part, named bool) {
	e.Bool(named)
	if named {
		e.Raw(p.Object[:])
		e.Uvarint(uint64(p.Shard))
	}
	e.Byte(p.Level)
	e.Uvarint(uint64(p.Format))
	e.String(string(p.Tenant))
	e.Varint(int64(p.Hour))
	encodeRange(e, p.Range, p.Hour.Start())
	e.Uvarint(uint64(len(p.Datasets)))
	for i := range p.Datasets {
		encodeDataset(e, &p.Datasets[i], p.Range.From)
	}
	e.Uvarint(uint64(len(p.Sections)))
	for _, s := range p.Sections {
		e.Byte(byte(s.Table))
		e.Size(s.Offset)
		e.Size(s.Size)
		e.Size(s.Rows)
		e.Fixed32(s.CRC)
	}
}

// decodePart reads a part of the segment, which is nil for one that stands alone.
func decodePart(d *Decoder, p *Part, of *Segment) {
	switch named := d.Bool(); {
	case named:
		copy(p.Object[:], d.Raw(len(p.Object)))
		p.Shard = uint32(d.UvarintMax(math.MaxUint32))
		if of != nil && p.Object == of.ID && p.Shard == of.Shard {
			d.Failf("part repeats the name of its segment")
		}
	case of != nil:
		p.Object, p.Shard = of.ID, of.Shard
	default:
		d.Failf("part has no name")
	}
	p.Level = d.Byte()
	p.Format = uint16(d.UvarintMax(math.MaxUint16))
	p.Tenant = Tenant(d.String())
	p.Hour = Hour(d.Varint())
	p.Range = decodeRange(d, p.Hour.Start())
	if n := d.Count(minDatasetBytes); n > 0 {
		p.Datasets = make([]Dataset, n)
		for i := range p.Datasets {
			decodeDataset(d, &p.Datasets[i], p.Range.From)
		}
	}
	if n := d.Count(minSectionBytes); n > 0 {
		p.Sections = make([]Section, n)
		for i := range p.Sections {
			p.Sections[i] = Section{
				Table: Table(d.Byte()), Offset: d.Size(), Size: d.Size(), Rows: d.Size(), CRC: d.Fixed32(),
			}
		}
	}
}

func encodeDataset(e *Encoder, ds *Dataset, base Micros) {
	e.String(ds.Service)
	e.Size(ds.Profiles)
	e.Uvarint(uint64(len(ds.Types)))
	for _, t := range ds.Types {
		e.String(t.Type)
		encodeRange(e, t.Range, base)
		e.Size(t.Rows)
	}
}

func decodeDataset(d *Decoder, ds *Dataset, base Micros) {
	ds.Service = d.String()
	ds.Profiles = d.Size()
	if n := d.Count(minTypeBytes); n > 0 {
		ds.Types = make([]TypeStats, n)
		for i := range ds.Types {
			ds.Types[i] = TypeStats{Type: d.String(), Range: decodeRange(d, base), Rows: d.Size()}
		}
	}
}

func encodeKeys(e *Encoder, keys []ProfileKey) {
	runs := 0
	for i := range keys {
		if i == 0 || keys[i].Tenant != keys[i-1].Tenant {
			runs++
		}
	}
	e.Uvarint(uint64(runs))
	for len(keys) > 0 {
		n := 1
		for n < len(keys) && keys[n].Tenant == keys[0].Tenant {
			n++
		}
		e.String(string(keys[0].Tenant))
		e.Uvarint(uint64(n))
		for i := range keys[:n] {
			e.Raw(keys[i].ID[:])
		}
		keys = keys[n:]
	}
}

func decodeKeys(d *Decoder) []ProfileKey {
	var keys []ProfileKey
	for range d.Count(minKeysBytes) {
		tenant := Tenant(d.String())
		n := d.Count(len(ProfileID{}))
		if n == 0 || len(keys) > 0 && keys[len(keys)-1].Tenant == tenant {
			d.Failf("run of profile ids is empty or continues the one before it")
			return nil
		}
		if keys == nil {
			keys = make([]ProfileKey, 0, n)
		}
		for range n {
			keys = append(keys, ProfileKey{Tenant: tenant, ID: ProfileID(d.Raw(len(ProfileID{})))})
		}
	}
	return keys
}

func encodeRange(e *Encoder, r TimeRange, base Micros) {
	e.Varint(int64(r.From - base))
	e.Varint(int64(r.To - r.From))
}

func decodeRange(d *Decoder, base Micros) TimeRange {
	from := base + Micros(d.Varint())
	return TimeRange{From: from, To: from + Micros(d.Varint())}
}
