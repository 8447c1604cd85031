package segment

import (
	"encoding/binary"
	"hash/crc32"
	"math"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// Version is the version of the container that is written.
const Version = 1

// TailSize is the size of the fixed tail, in bytes.
const TailSize = 16

const (
	magic     = "SSEG"
	alignment = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum returns the CRC-32C of data, as sections and footers have it.
func Checksum(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }

// Builder makes one segment. It is not safe for concurrent use.
type Builder struct {
	seg *warehouse.Segment
	buf []byte
}

// NewBuilder returns a builder of the segment, whose parts are described but
// for their sections, which are added one by one.
//
// Ownership: the builder changes seg until Finish returns.
func NewBuilder(seg *warehouse.Segment) *Builder {
	for i := range seg.Parts {
		seg.Parts[i].Sections = nil
	}
	return &Builder{seg: seg}
}

// Size returns the bytes added so far.
func (b *Builder) Size() int64 { return int64(len(b.buf)) }

// Section adds a table's Parquet file, of which it keeps a copy, to the part of
// that index.
func (b *Builder) Section(part int, t warehouse.Table, rows int64, parquet []byte) {
	start := b.align()
	b.buf = append(b.buf, parquet...)
	b.add(part, t, rows, start)
}

// Encode adds the record as a section, without a copy in between. On an error
// the builder is as it was before; the record then does not fit the table.
func (b *Builder) Encode(part int, t warehouse.Table, rec arrow.RecordBatch) error {
	before := len(b.buf)
	start := b.align()
	buf, err := block.AppendLoose(b.buf, t, rec)
	if err != nil {
		b.buf = b.buf[:before]
		return err
	}
	b.buf = buf
	b.add(part, t, rec.NumRows(), start)
	return nil
}

// align fills up with zeros and returns where the next section begins.
func (b *Builder) align() int {
	for len(b.buf)%alignment != 0 {
		b.buf = append(b.buf, 0)
	}
	return len(b.buf)
}

func (b *Builder) add(part int, t warehouse.Table, rows int64, start int) {
	p := &b.seg.Parts[part]
	p.Sections = append(p.Sections, warehouse.Section{
		Table:  t,
		Offset: int64(start),
		Size:   int64(len(b.buf) - start),
		Rows:   rows,
		CRC:    Checksum(b.buf[start:]),
	})
}

// Finish returns the whole object. It sets the segment's size; an impossible
// description is an Invalid error.
//
// Ownership: the bytes are the caller's; the builder must not be used again.
func (b *Builder) Finish() ([]byte, error) {
	b.align()
	footer := b.footer()
	if err := b.seg.Validate(); err != nil {
		return nil, err
	}
	if len(footer) > math.MaxInt32 {
		return nil, warehouse.Errorf(warehouse.Limit, "build segment %s: footer has %d bytes", b.seg.ID, len(footer))
	}
	start := len(b.buf)
	b.buf = append(b.buf, footer...)
	b.buf = binary.LittleEndian.AppendUint32(b.buf, uint32(len(footer)))
	b.buf = binary.LittleEndian.AppendUint32(b.buf, Version)
	b.buf = binary.LittleEndian.AppendUint32(b.buf, Checksum(b.buf[start:]))
	return append(b.buf, magic...), nil
}

// footer returns the encoded footer. The object's size is part of it, and its
// own length part of the object's size: encode until they agree, which they do
// after a few rounds, since a longer number never makes the object smaller.
func (b *Builder) footer() []byte {
	var footer []byte
	for {
		footer = warehouse.AppendSegment(footer[:0], b.seg)
		size := int64(len(b.buf) + len(footer) + TailSize)
		if size == b.seg.Size {
			return footer
		}
		b.seg.Size = size
	}
}
