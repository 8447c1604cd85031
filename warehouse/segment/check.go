package segment

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// place is a section with the part it belongs to.
type place struct {
	part *warehouse.Part
	warehouse.Section
}

// Check verifies every statement of the package comment about the bytes of a
// whole segment: each value of its tables, with two readers (see [block.Check]),
// and what the footer says about them. The first fault is a Corrupt error. [Report]
// goes on to what the tables say of each other.
func Check(data []byte) error {
	seg, err := Decode(data)
	if err != nil {
		return err
	}
	places := placesOf(seg)
	if err := checkPlacement(data, places); err != nil {
		return err
	}
	for _, p := range places {
		section := data[p.Offset : p.Offset+p.Size]
		if err := block.Check(section, p.Table, p.Rows); err != nil {
			return corruptf(p.Offset, "section of %s %s: %w", p.part.Tenant, p.part.Hour, err)
		}
	}
	for i := range seg.Parts {
		p := &seg.Parts[i]
		if err := block.CheckDescription(p, sections(data, p)); err != nil {
			return warehouse.Errorf(warehouse.Corrupt, "check segment %s: part %s %s: %w", seg.ID, p.Tenant, p.Hour, err)
		}
	}
	return nil
}

// sections gives the sections of a part as they are, without their checksums.
func sections(data []byte, p *warehouse.Part) block.Source {
	return func(t warehouse.Table) ([]byte, error) {
		s, ok := p.Section(t)
		if !ok {
			return nil, warehouse.Errorf(warehouse.NotFound, "read segment %s: %s %s has no section %s", p.Object, p.Tenant, p.Hour, t)
		}
		return data[s.Offset : s.Offset+s.Size], nil
	}
}

// checkPlacement checks that the sections and zeros fill the object up to its
// footer, and the checksum of each section: damage is found before anything is
// unpacked.
func checkPlacement(data []byte, places []place) error {
	end := int64(0)
	for _, p := range places {
		if err := checkGap(data, end, p.Offset); err != nil {
			return err
		}
		if _, err := Section(data, p.part, p.Table); err != nil {
			return err
		}
		end = p.Offset + p.Size
	}
	n, err := FooterSize(data, int64(len(data)))
	if err != nil {
		return err
	}
	return checkGap(data, end, int64(len(data))-n)
}

// placesOf returns all sections in the order in which they lie.
func placesOf(seg *warehouse.Segment) []place {
	var places []place
	for i := range seg.Parts {
		for _, s := range seg.Parts[i].Sections {
			places = append(places, place{&seg.Parts[i], s})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Compare(a.Offset, b.Offset) })
	return places
}

// checkGap checks what lies between the end of a section and whatever follows.
func checkGap(data []byte, from, to int64) error {
	switch {
	case to < from:
		return corruptf(to, "overlaps what ends at %d", from)
	case to-from >= alignment:
		return corruptf(from, "%d bytes belong to no section", to-from)
	case len(bytes.Trim(data[from:to], "\x00")) > 0:
		return corruptf(from, "gap is not zero")
	}
	return nil
}
