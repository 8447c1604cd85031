package state

import "github.com/stackhouse-db/stackhouse/warehouse"

// FenceObjects makes sure that objects which nobody knows never become live, so
// that they can be deleted. Its answer is those that can be, a
// []warehouse.ObjectID, in the order of the command.
//
// It leaves out what is live or waits for its deletion as dead, and the blocks of
// a tenant and hour of which a job is running: that job may be about to register
// them, however long it takes.
//
// Why ids, not an instant up to which nothing may become live: a clock that was
// ahead for a while would stop all registrations once it is put right.
type FenceObjects struct{ Objects []Found }

// Found is an object as its name in the bucket describes it.
type Found struct {
	ID     warehouse.ObjectID
	Tenant warehouse.Tenant // of a block; empty for a segment
	Hour   warehouse.Hour   // of a block
}

const minFoundBytes = len(warehouse.ObjectID{}) + 2

// Kind returns KindFenceObjects.
func (FenceObjects) Kind() Kind { return KindFenceObjects }

func (c FenceObjects) appendTo(dst []byte) []byte {
	e := warehouse.NewEncoder(dst)
	e.Uvarint(uint64(len(c.Objects)))
	for i := range c.Objects {
		f := &c.Objects[i]
		e.Raw(f.ID[:])
		e.String(string(f.Tenant))
		e.Varint(int64(f.Hour))
	}
	return e.Bytes()
}

func decodeFenceObjects(body []byte) (Command, error) {
	d := warehouse.NewDecoder("body", body)
	var c FenceObjects
	for range d.Count(minFoundBytes) {
		var f Found
		copy(f.ID[:], d.Raw(len(f.ID)))
		f.Tenant, f.Hour = warehouse.Tenant(d.String()), warehouse.Hour(d.Varint())
		c.Objects = append(c.Objects, f)
	}
	return c, d.Finish()
}

func (c FenceObjects) apply(s *State, m moment) any {
	var dead []warehouse.ObjectID
	for i := range c.Objects {
		f := &c.Objects[i]
		if s.isKnown(f.ID) || f.Tenant != "" && s.draft.isMerging(hourKey{f.Tenant, f.Hour}) {
			continue
		}
		// One that was added, merged and deleted, and is back after a power loss, has
		// its verdict: adding it again does nothing.
		if v := s.verdictOf(f.ID); v == 0 || v == wasAborted {
			s.seal(fate{id: f.ID, verdict: wasFenced}, m)
		}
		dead = append(dead, f.ID)
	}
	return dead
}

// isMerging reports whether a worker has a job of the hour.
func (v *View) isMerging(k hourKey) bool {
	for _, j := range v.jobs {
		if j.Token != 0 && j.Tenant == k.tenant && j.Hour == k.hour {
			return true
		}
	}
	return false
}
