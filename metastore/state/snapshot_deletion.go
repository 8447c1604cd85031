package state

import (
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func (v *View) writeRemnants(f *frameWriter) {
	e := f.begin(frameRemnant)
	for _, r := range v.remnants {
		e.Raw(r.object[:])
		e.String(string(r.tenant))
		e = f.next()
	}
	f.end()
}

func (v *View) writeDeletions(f *frameWriter) {
	e := f.begin(frameDeletion)
	for _, d := range v.deletions {
		e.Deletion(&d.Deletion)
		e.Uvarint(d.Index)
		e.Varint(int64(d.SubmittedAt))
		e.Varint(int64(d.AppliedAt))
		e.Varint(int64(d.GoneAt))
		e.Size(int64(d.gone))
		encodeIDs(e, d.Residue)
		e = f.next()
	}
	f.end()
}

func (s *State) readRemnant(d *warehouse.Decoder) {
	var r remnant
	copy(r.object[:], d.Raw(len(r.object)))
	r.tenant = warehouse.Tenant(d.String())
	if d.Err() == nil {
		s.draft.remnants = append(s.draft.remnants, r)
	}
}

func (s *State) readDeletion(d *warehouse.Decoder) {
	x := &Deletion{Deletion: *d.Deletion()}
	x.Index = d.Uvarint()
	x.SubmittedAt, x.AppliedAt, x.GoneAt = warehouse.Micros(d.Varint()), warehouse.Micros(d.Varint()), warehouse.Micros(d.Varint())
	x.gone = warehouse.Micros(d.Size())
	x.Residue = decodeIDs(d)
	if n := len(s.draft.deletions); n > 0 && s.draft.deletions[n-1].Index >= x.Index {
		d.Failf("deletion %s is not behind %s", x.ID, s.draft.deletions[n-1].ID)
	}
	if !slices.IsSortedFunc(x.Residue, warehouse.ObjectID.Compare) {
		d.Failf("objects of deletion %s are not sorted", x.ID)
	}
	if d.Err() != nil {
		return
	}
	s.draft.deletions = append(s.draft.deletions, x)
	if x.GoneAt != 0 {
		s.forgetLater(x)
		return
	}
	o := &openDeletion{Deletion: x, residue: make(map[warehouse.ObjectID]struct{}, len(x.Residue))}
	for _, id := range x.Residue {
		o.residue[id] = struct{}{}
	}
	s.track(o)
}
