package state

import (
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// modelDeletion is a deletion as the model knows it.
type modelDeletion struct {
	*warehouse.Deletion
	index   uint64
	applied bool
	residue []warehouse.ObjectID
}

// masks reports whether some profile of a part may be meant, which was registered
// before. All datasets of the simulation have the range of their part.
func (d *modelDeletion) masks(p *modelPart) bool {
	return d.index > p.masked && d.Tenant == p.ref.Tenant && d.From <= p.part.Range.To && p.part.Range.From < d.To &&
		slices.ContainsFunc(p.part.Datasets, func(ds warehouse.Dataset) bool { return d.isOf(ds.Service) })
}

func (d *modelDeletion) isOf(service string) bool {
	return len(d.Services) == 0 || slices.Contains(d.Services, service)
}

// binds reports whether a part is of its services, and older.
func (d *modelDeletion) binds(p *modelPart) bool {
	return d.index > p.masked && slices.ContainsFunc(p.part.Datasets, func(ds warehouse.Dataset) bool { return d.isOf(ds.Service) })
}

func (m *model) delete(_ warehouse.Micros, c Delete) any {
	open := 0
	for _, d := range m.deletions {
		switch {
		case d.ID == c.Deletion.ID && d.Tenant == c.Deletion.Tenant:
			return DeleteResult{Index: d.index}
		case d.ID == c.Deletion.ID:
			return DeleteResult{Outcome: DeletionClashes}
		case d.Tenant == c.Deletion.Tenant && !d.applied:
			open++
		}
	}
	if open >= MaxDeletions {
		return DeleteResult{Outcome: TooManyDeletions}
	}
	d := &modelDeletion{Deletion: c.Deletion, index: m.index}
	d.residue = append(d.residue, m.dead...) // more than the state has, which knows whose they are
	for _, r := range m.shared {
		if r.Tenant == d.Tenant {
			d.residue = append(d.residue, r.Object)
		}
	}
	m.deletions = append(m.deletions, d)
	touched := map[warehouse.PartitionKey]bool{}
	for i := range m.live {
		if p := &m.live[i]; d.masks(p) {
			for _, ds := range p.part.Datasets {
				if d.isOf(ds.Service) {
					touched[warehouse.PartitionKey{Tenant: d.Tenant, Service: ds.Service, Hour: p.ref.Hour}] = true
				}
			}
		}
	}
	for k := range touched {
		m.epochs[k] = m.index
	}
	dropped := m.remove(m.wholly(d))
	left := 0
	for i := range m.live {
		if d.masks(&m.live[i]) {
			left++
		}
	}
	return DeleteResult{Index: m.index, Dropped: dropped, Masked: left}
}

// wholly picks the parts of which nothing remains and that share no service with one
// that stays, one after the other.
func (m *model) wholly(d *modelDeletion) func(modelPart) bool {
	gone := map[PartRef]bool{}
	for i := range m.live {
		p := &m.live[i]
		all := d.masks(p) && len(d.Series) == 0 && d.From <= p.part.Range.From && p.part.Range.To < d.To
		for _, ds := range p.part.Datasets {
			all = all && d.isOf(ds.Service)
		}
		if all {
			gone[p.ref] = true
		}
	}
	for {
		var stays []PartRef
		for i := range m.live {
			p := &m.live[i]
			if !gone[p.ref] {
				continue
			}
			for j := range m.live {
				q := &m.live[j]
				if q.ref.Tenant == p.ref.Tenant && q.ref.Hour == p.ref.Hour && !gone[q.ref] && shareService(p.part, q.part) {
					stays = append(stays, p.ref)
				}
			}
		}
		if len(stays) == 0 {
			return func(p modelPart) bool { return gone[p.ref] }
		}
		for _, r := range stays {
			delete(gone, r)
		}
	}
}

func shareService(a, b *warehouse.Part) bool {
	return slices.ContainsFunc(a.Datasets, func(ds warehouse.Dataset) bool { return b.Dataset(ds.Service) != nil })
}

// noteRemoved remembers whose bytes are still stored.
func (m *model) noteRemoved(gone []modelPart) {
	for i := range gone {
		p := &gone[i]
		if m.isLive(p.ref.Object) || slices.ContainsFunc(gone[i+1:], func(q modelPart) bool { return q.ref.Object == p.ref.Object }) {
			m.shared = append(m.shared, p.ref)
		}
		for _, d := range m.deletions {
			if d.masks(p) {
				d.residue = append(d.residue, p.ref.Object)
			}
		}
	}
}

func (m *model) forget(objects []warehouse.ObjectID) {
	of := func(id warehouse.ObjectID) bool { return slices.Contains(objects, id) }
	for _, d := range m.deletions {
		d.residue = slices.DeleteFunc(d.residue, of)
	}
	m.shared = slices.DeleteFunc(m.shared, func(r PartRef) bool { return of(r.Object) })
}

func (m *model) settleDeletions(warehouse.Micros) {
	for _, d := range m.deletions {
		left := slices.ContainsFunc(m.live, func(p modelPart) bool { return d.masks(&p) })
		d.applied = d.applied || !left
	}
}

// oldest is how far the deletions were applied to all of some parts.
func (m *model) oldest(refs []PartRef) uint64 {
	oldest, found := uint64(0), false
	for i := range m.live {
		if p := &m.live[i]; slices.Contains(refs, p.ref) && (!found || p.masked < oldest) {
			oldest, found = p.masked, true
		}
	}
	return oldest
}

// treat says what a job that is given out now applies, and how far its outputs are.
func (m *model) treat(j *modelJob) (applied []warehouse.ObjectID, masked uint64, ok bool) {
	var inputs, others []*modelPart
	for i := range m.live {
		p := &m.live[i]
		switch {
		case p.ref.Tenant != j.tenant || p.ref.Hour != j.hour:
		case slices.Contains(j.inputs, p.ref.Object):
			inputs = append(inputs, p)
		default:
			others = append(others, p)
		}
	}
	isClosed := true
	oldest, newest := inputs[0].masked, inputs[0].masked
	for _, p := range inputs {
		oldest, newest = min(oldest, p.masked), max(newest, p.masked)
	}
	has := func(parts []*modelPart, f func(*modelPart) bool) bool { return slices.ContainsFunc(parts, f) }
	between := false
	for _, d := range m.deletions {
		if d.applied || d.Tenant != j.tenant || !has(append(slices.Clone(inputs), others...), func(p *modelPart) bool { return d.From <= p.part.Range.To && p.part.Range.From < d.To }) {
			continue
		}
		between = between || oldest < d.index && d.index <= newest
		if !has(inputs, d.masks) && !has(others, d.masks) {
			continue // of another hour
		}
		isClosed = isClosed && !(has(inputs, d.binds) && has(others, d.binds))
		if has(inputs, d.masks) {
			applied = append(applied, d.ID)
		}
	}
	switch {
	case isClosed:
		return applied, m.index, true
	case between:
		return nil, 0, false
	}
	return nil, oldest, true
}
