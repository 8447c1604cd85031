package state

import "github.com/stackhouse-db/stackhouse/warehouse"

// Tombstone stands for an object whose last part was removed: views from Index
// on do not hold it; older ones may still read it.
type Tombstone struct {
	Part  warehouse.Part   // the last part to go, without datasets: enough to name the object's files
	Index uint64           // of the command that removed it
	At    warehouse.Micros // the leader's time of that command
}

func (s *State) bury(p *warehouse.Part, m moment) {
	rest := *p
	rest.Datasets, rest.Masked = nil, 0
	s.buried[p.Object] = struct{}{}
	s.draft.tombstones = append(s.draft.tombstones, &Tombstone{Part: rest, Index: m.index, At: m.at})
}
