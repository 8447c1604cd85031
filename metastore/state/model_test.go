package state

import (
	"slices"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// model says the same as State in the plainest way: lists that are searched
// from end to end, nothing derived, nothing shared.
type model struct {
	index     uint64
	last, now warehouse.Micros
	retention map[warehouse.Tenant]time.Duration // "" is the default
	live      []modelPart
	dead      []warehouse.ObjectID
	profiles  []modelProfile
	fates     []modelFate
	jobs      []*modelJob
	epochs    map[warehouse.PartitionKey]uint64 // by command that named it
	dropped   []modelDrop                       // hours that were left without parts
	deletions []*modelDeletion
	shared    []PartRef // parts that were removed while their object stayed
}

type modelPart struct {
	ref  PartRef
	last warehouse.Micros // end of its range

	part   *warehouse.Part
	masked uint64
}

type modelProfile struct {
	key warehouse.ProfileKey
	at  warehouse.Micros
}

type modelFate struct {
	id      warehouse.ObjectID
	at      warehouse.Micros
	verdict verdict
	token   uint64
}

type modelDrop struct {
	tenant warehouse.Tenant
	hour   warehouse.Hour
	index  uint64
}

func newModel() *model {
	return &model{retention: map[warehouse.Tenant]time.Duration{}, epochs: map[warehouse.PartitionKey]uint64{}}
}

func (m *model) apply(at warehouse.Micros, c Command) any {
	m.index++
	m.now += max(at-m.last, 0)
	m.last = at
	defer m.settleDeletions(at)
	switch c := c.(type) {
	case Delete:
		return m.delete(at, c)
	case AddSegment:
		return m.addSegment(c)
	case AbortSegment:
		if v := m.fate(c.ID); v != 0 {
			return v == wasAdded
		}
		if m.isLive(c.ID) || slices.Contains(m.dead, c.ID) {
			return true
		}
		m.fates = append(m.fates, modelFate{id: c.ID, at: m.now, verdict: wasAborted})
		return false
	case ReplaceParts:
		return m.replace(c)
	case SetRetention:
		m.retention[c.Tenant] = c.Retention
	case Expire:
		return m.expire(at)
	case ForgetTombstones:
		before := len(m.dead)
		m.dead = slices.DeleteFunc(m.dead, func(id warehouse.ObjectID) bool { return slices.Contains(c.Objects, id) })
		m.forget(c.Objects)
		return before - len(m.dead)
	default:
		return m.applyToJobs(at, c)
	}
	return nil
}

func (m *model) addSegment(c AddSegment) any {
	switch v := m.fate(c.Segment.ID); {
	case v > wasAdded:
		return warehouse.AddResult{Outcome: warehouse.WasAborted}
	case v == wasAdded, m.isLive(c.Segment.ID), slices.Contains(m.dead, c.Segment.ID):
		return warehouse.AddResult{}
	}
	var r warehouse.AddResult
	for _, k := range c.Segment.Profiles {
		if slices.ContainsFunc(m.profiles, func(p modelProfile) bool { return p.key == k && m.now-p.at <= 15*60e6 }) {
			r.Duplicates = append(r.Duplicates, k)
		}
	}
	for _, e := range c.Segment.Epochs {
		if current := m.epoch(e.Key); current != e.Value {
			r.Stale = append(r.Stale, warehouse.Epoch{Key: e.Key, Value: current})
		}
	}
	if len(r.Stale) > 0 {
		r.Outcome = warehouse.HasStaleEpochs
	}
	if len(r.Duplicates) > 0 {
		r.Outcome = warehouse.HasDuplicates
	}
	if r.Outcome != warehouse.Added {
		return r
	}
	for i := range c.Segment.Parts {
		m.addPart(&c.Segment.Parts[i], m.index)
	}
	for _, k := range c.Segment.Profiles {
		m.profiles = append(m.profiles, modelProfile{k, m.now})
	}
	m.fates = append(m.fates, modelFate{id: c.Segment.ID, at: m.now, verdict: wasAdded})
	return r
}

func (m *model) replace(c ReplaceParts) any {
	if m.fate(c.ID) == wasReplaced {
		return ReplaceResult{}
	}
	return m.swap(c, modelFate{id: c.ID, at: m.now, verdict: wasReplaced}, m.oldest(c.Remove))
}

func (m *model) swap(c ReplaceParts, f modelFate, masked uint64) ReplaceResult {
	v := m.fate(c.ID)
	var r ReplaceResult
	for i, ref := range c.Remove {
		if slices.Contains(c.Remove[:i], ref) || !slices.ContainsFunc(m.live, func(p modelPart) bool { return p.ref == ref }) {
			r.Gone = append(r.Gone, ref)
		}
	}
	if v != 0 {
		r.Exists = append(r.Exists, c.ID)
	}
	for i := range c.Add {
		id := c.Add[i].Object
		again := slices.ContainsFunc(c.Add[:i], func(p warehouse.Part) bool { return p.Object == id })
		if again || m.fate(id) != 0 || m.isLive(id) || slices.Contains(m.dead, id) {
			r.Exists = append(r.Exists, id)
		}
	}
	switch {
	case r.Gone != nil:
		r.Outcome = InputGone
		return r
	case r.Exists != nil:
		r.Outcome = OutputExists
		return r
	}
	for i := range c.Add {
		m.addPart(&c.Add[i], masked)
	}
	m.remove(func(p modelPart) bool { return slices.Contains(c.Remove, p.ref) })
	for _, k := range c.Undefs {
		m.epochs[k] = m.index
	}
	m.fates = append(m.fates, f)
	return r
}

func (m *model) expire(at warehouse.Micros) int {
	return m.remove(func(p modelPart) bool {
		keep, own := m.retention[p.ref.Tenant]
		if !own || keep == InheritRetention {
			keep = m.retention[""]
		}
		cutoff := at - warehouse.Micros(keep.Microseconds())
		inHour := func(q modelPart) bool {
			return q.ref.Tenant == p.ref.Tenant && q.ref.Hour == p.ref.Hour && q.last >= cutoff
		}
		return keep > 0 && p.ref.Hour.End() <= cutoff && !slices.ContainsFunc(m.live, inHour)
	})
}

func (m *model) addPart(p *warehouse.Part, masked uint64) {
	m.live = append(m.live, modelPart{PartRef{p.Object, p.Tenant, p.Hour}, p.Range.To, p, masked})
}

// remove drops parts, and remembers what went with them.
func (m *model) remove(doomed func(modelPart) bool) int {
	var kept, gone []modelPart
	for _, p := range m.live {
		if doomed(p) {
			gone = append(gone, p)
		} else {
			kept = append(kept, p)
		}
	}
	m.live = kept
	m.noteRemoved(gone)
	m.jobs = slices.DeleteFunc(m.jobs, func(j *modelJob) bool {
		return slices.ContainsFunc(gone, func(p modelPart) bool { return j.has(p.ref) })
	})
	for _, p := range gone {
		if !m.isLive(p.ref.Object) && !slices.Contains(m.dead, p.ref.Object) {
			m.dead = append(m.dead, p.ref.Object)
		}
		if !slices.ContainsFunc(kept, func(q modelPart) bool { return q.ref.Tenant == p.ref.Tenant && q.ref.Hour == p.ref.Hour }) {
			m.dropped = append(m.dropped, modelDrop{p.ref.Tenant, p.ref.Hour, m.index})
		}
	}
	return len(gone)
}

func (m *model) isLive(id warehouse.ObjectID) bool {
	return slices.ContainsFunc(m.live, func(p modelPart) bool { return p.ref.Object == id })
}

func (m *model) fate(id warehouse.ObjectID) verdict {
	return m.lastFate(id).verdict
}

func (m *model) lastFate(id warehouse.ObjectID) modelFate {
	for _, f := range slices.Backward(m.fates) {
		if f.id != id {
			continue
		}
		if m.now-f.at <= 3600e6 || f.verdict == wasFenced && m.now-f.at <= 31*24*3600e6 {
			return f
		}
		return modelFate{}
	}
	return modelFate{}
}

// epoch is a lower bound of the real one: see checkEpochs.
func (m *model) epoch(k warehouse.PartitionKey) uint64 {
	epoch := m.epochs[k]
	for _, d := range m.dropped {
		if d.tenant == k.Tenant && d.hour == k.Hour {
			epoch = max(epoch, d.index)
		}
	}
	return epoch
}

// parts returns the refs of a tenant's live parts by hour, then registration.
func (m *model) parts(t warehouse.Tenant) []PartRef {
	refs := []PartRef{}
	for _, p := range m.live {
		if p.ref.Tenant == t {
			refs = append(refs, p.ref)
		}
	}
	slices.SortStableFunc(refs, func(a, b PartRef) int { return int(a.Hour - b.Hour) })
	return refs
}
