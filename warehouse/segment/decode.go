package segment

import (
	"encoding/binary"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Decode returns the description in the footer of a whole segment. It does not
// look at the sections.
func Decode(data []byte) (*warehouse.Segment, error) {
	return DecodeFooter(data, int64(len(data)))
}

// FooterSize returns how many bytes of an object's end [DecodeFooter] needs.
// The tail is the last [TailSize] bytes of the object or more, size the size of
// the whole object.
func FooterSize(tail []byte, size int64) (int64, error) {
	if len(tail) < TailSize || size < int64(len(tail)) {
		return 0, corruptf(size, "%d bytes of %d are no segment", len(tail), size)
	}
	tail = tail[len(tail)-TailSize:]
	if string(tail[12:]) != magic {
		return 0, corruptf(size-4, "magic is %q, want %q", tail[12:], magic)
	}
	if v := binary.LittleEndian.Uint32(tail[4:]); v != Version {
		if v == 0 {
			return 0, corruptf(size-12, "version is 0")
		}
		return 0, corruptf(size-12, "version %d is newer than %d, the newest this program knows", v, Version)
	}
	n := int64(binary.LittleEndian.Uint32(tail)) + TailSize
	if n > size {
		return 0, corruptf(size-16, "footer of %d bytes in an object of %d", n-TailSize, size)
	}
	return n, nil
}

// DecodeFooter returns the description in the footer of an object, of which end
// are the last bytes, at least [FooterSize]. The size is that of the object.
//
// A description that contradicts itself or the size is a Corrupt error.
func DecodeFooter(end []byte, size int64) (*warehouse.Segment, error) {
	n, err := FooterSize(end, size)
	if err != nil {
		return nil, err
	}
	if n > int64(len(end)) {
		return nil, warehouse.Errorf(warehouse.Invalid, "decode segment: %d bytes of its end given, %d needed", len(end), n)
	}
	end = end[int64(len(end))-n:]
	at := size - n
	covered, sum := end[:len(end)-8], binary.LittleEndian.Uint32(end[len(end)-8:])
	if got := Checksum(covered); got != sum {
		return nil, corruptf(at, "footer of %d bytes has checksum %08x, want %08x", n-TailSize, got, sum)
	}
	seg, err := warehouse.DecodeSegment(end[:len(end)-TailSize])
	if err != nil {
		return nil, corruptf(at, "footer: %w", err)
	}
	if err := seg.Validate(); err != nil {
		return nil, corruptf(at, "footer: %w", err)
	}
	if seg.Size != size {
		return nil, corruptf(at, "footer says %d bytes, the object has %d", seg.Size, size)
	}
	for i := range seg.Parts {
		if err := checkPlaces(&seg.Parts[i], at); err != nil {
			return nil, err
		}
	}
	return seg, nil
}

// checkPlaces checks that the part's sections end before the footer.
func checkPlaces(p *warehouse.Part, footer int64) error {
	for _, s := range p.Sections {
		if s.Offset > footer || s.Size > footer-s.Offset {
			return corruptf(s.Offset, "section %s of %s %s has %d bytes and ends behind the footer's start at %d", s.Table, p.Tenant, p.Hour, s.Size, footer)
		}
		if s.Offset%alignment != 0 {
			return corruptf(s.Offset, "section %s of %s %s is not aligned to %d bytes", s.Table, p.Tenant, p.Hour, alignment)
		}
	}
	return nil
}

// Section returns the bytes of a part's section of the table, cut out of the
// whole object and verified. A part without such a section is a NotFound error.
//
// Ownership: the bytes are a piece of data.
func Section(data []byte, p *warehouse.Part, t warehouse.Table) ([]byte, error) {
	s, ok := p.Section(t)
	if !ok {
		return nil, warehouse.Errorf(warehouse.NotFound, "read segment %s: %s %s has no section %s", p.Object, p.Tenant, p.Hour, t)
	}
	size := int64(len(data))
	if s.Offset < 0 || s.Offset > size || s.Size < 0 || s.Size > size-s.Offset {
		return nil, corruptf(s.Offset, "section %s of %s %s has %d bytes, the object %d", t, p.Tenant, p.Hour, s.Size, size)
	}
	section := data[s.Offset : s.Offset+s.Size]
	if got := Checksum(section); got != s.CRC {
		return nil, corruptf(s.Offset, "section %s of %s %s has checksum %08x, want %08x", t, p.Tenant, p.Hour, got, s.CRC)
	}
	return section, nil
}

func corruptf(offset int64, format string, args ...any) error {
	return warehouse.Errorf(warehouse.Corrupt, "decode segment at byte %d: "+format, append([]any{offset}, args...)...)
}
