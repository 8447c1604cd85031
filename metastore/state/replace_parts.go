package state

import (
	"fmt"
	"math"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// PartRef names a live part.
type PartRef struct {
	Object warehouse.ObjectID
	Tenant warehouse.Tenant
	Hour   warehouse.Hour
}

// ReplaceOutcome is what became of a ReplaceParts.
type ReplaceOutcome uint8

// The outcomes.
const (
	Replaced     ReplaceOutcome = iota // done, now or already before
	InputGone                          // refused: a part to remove is not live (any more)
	OutputExists                       // refused: an object to add is known already, or named twice
)

// String returns the outcome in words.
func (o ReplaceOutcome) String() string {
	switch o {
	case Replaced:
		return "replaced"
	case InputGone:
		return "input gone"
	case OutputExists:
		return "output exists"
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// ReplaceResult is the answer to a ReplaceParts.
type ReplaceResult struct {
	Outcome ReplaceOutcome
	Gone    []PartRef            // the inputs that are not live
	Exists  []warehouse.ObjectID // the outputs that are known already
}

// ReplaceParts swaps parts for others in one step: no view holds both the
// inputs and the outputs, or neither. Its answer is a ReplaceResult.
//
// Objects whose last part goes get a tombstone, and jobs that lose an input are
// dropped. Dataset partitions that lose
// definitions get a new epoch, the command's index. A refusal changes nothing.
// An ID that was replaced before is answered with Replaced and changes nothing.
type ReplaceParts struct {
	ID     warehouse.ObjectID // of this replacement
	Remove []PartRef
	Add    []warehouse.Part         // each the only part of its object
	Undefs []warehouse.PartitionKey // the dataset partitions that lose definitions
}

// Kind returns KindReplaceParts.
func (ReplaceParts) Kind() Kind { return KindReplaceParts }

const (
	minPartRefBytes = len(warehouse.ObjectID{}) + 2
	minFullPart     = len(warehouse.ObjectID{}) + 10
	minUndefBytes   = 3
)

func (c ReplaceParts) appendTo(dst []byte) []byte {
	e := warehouse.NewEncoder(dst)
	e.Raw(c.ID[:])
	e.Uvarint(uint64(len(c.Remove)))
	for _, r := range c.Remove {
		e.Raw(r.Object[:])
		e.String(string(r.Tenant))
		e.Varint(int64(r.Hour))
	}
	e.Uvarint(uint64(len(c.Add)))
	for i := range c.Add {
		e.Part(&c.Add[i])
	}
	e.Uvarint(uint64(len(c.Undefs)))
	for _, k := range c.Undefs {
		e.String(string(k.Tenant))
		e.String(k.Service)
		e.Varint(int64(k.Hour))
	}
	return e.Bytes()
}

func decodeReplaceParts(body []byte) (Command, error) {
	d := warehouse.NewDecoder("body", body)
	var c ReplaceParts
	copy(c.ID[:], d.Raw(len(c.ID)))
	if n := d.Count(minPartRefBytes); n > 0 {
		c.Remove = make([]PartRef, n)
		for i := range c.Remove {
			copy(c.Remove[i].Object[:], d.Raw(len(c.ID)))
			c.Remove[i].Tenant = warehouse.Tenant(d.String())
			c.Remove[i].Hour = warehouse.Hour(d.Varint())
		}
	}
	if n := d.Count(minFullPart); n > 0 {
		c.Add = make([]warehouse.Part, n)
		for i := range c.Add {
			c.Add[i] = *d.Part()
		}
	}
	if n := d.Count(minUndefBytes); n > 0 {
		c.Undefs = make([]warehouse.PartitionKey, n)
		for i := range c.Undefs {
			c.Undefs[i].Tenant = warehouse.Tenant(d.String())
			c.Undefs[i].Service = d.String()
			c.Undefs[i].Hour = warehouse.Hour(d.Varint())
		}
	}
	return c, d.Finish()
}

func (c ReplaceParts) apply(s *State, m moment) any {
	if s.verdictOf(c.ID) == wasReplaced {
		return ReplaceResult{Outcome: Replaced}
	}
	if refusal, ok := c.refuse(s); ok {
		return refusal
	}
	c.carryMasks(s)
	c.swap(s, m)
	s.seal(fate{id: c.ID, verdict: wasReplaced}, m)
	return ReplaceResult{Outcome: Replaced}
}

// carryMasks makes what is added as far as the oldest of what it stands for.
func (c ReplaceParts) carryMasks(s *State) {
	oldest := uint64(math.MaxUint64)
	for _, r := range c.Remove {
		t := s.draft.tenant(r.Tenant)
		i, _ := t.find(r.Hour)
		oldest = min(oldest, t.hours[i].part(r.Object).Masked)
	}
	if len(c.Remove) == 0 {
		oldest = 0
	}
	for i := range c.Add {
		c.Add[i].Masked = oldest
	}
}

// swap does what nothing stands against.
func (c ReplaceParts) swap(s *State, m moment) {
	for i := range c.Add {
		s.addPart(&c.Add[i])
	}
	for start := 0; start < len(c.Remove); {
		start += c.removeRun(s, c.Remove[start:], m)
	}
	for _, k := range c.Undefs {
		s.raiseEpoch(k, m.index)
	}
}

// refuse returns what stands against the command, and whether anything does.
func (c ReplaceParts) refuse(s *State) (ReplaceResult, bool) {
	var r ReplaceResult
	seen := make(map[PartRef]struct{}, len(c.Remove))
	for _, ref := range c.Remove {
		_, again := seen[ref]
		seen[ref] = struct{}{}
		if again || !s.isLive(ref) {
			r.Gone = append(r.Gone, ref)
		}
	}
	if s.verdictOf(c.ID) != 0 {
		r.Exists = append(r.Exists, c.ID)
	}
	outputs := make(map[warehouse.ObjectID]struct{}, len(c.Add))
	for i := range c.Add {
		id := c.Add[i].Object
		_, again := outputs[id]
		outputs[id] = struct{}{}
		if again || s.isKnown(id) || s.verdictOf(id) != 0 {
			r.Exists = append(r.Exists, id)
		}
	}
	switch {
	case len(r.Gone) > 0:
		r.Outcome = InputGone
	case len(r.Exists) > 0:
		r.Outcome = OutputExists
	default:
		return r, false
	}
	return r, true
}

// removeRun removes the leading parts of refs that share a tenant and hour, and
// returns their number.
func (c ReplaceParts) removeRun(s *State, refs []PartRef, m moment) int {
	n := 1
	for n < len(refs) && refs[n].Tenant == refs[0].Tenant && refs[n].Hour == refs[0].Hour {
		n++
	}
	doomed := make(map[warehouse.ObjectID]struct{}, n)
	for _, r := range refs[:n] {
		doomed[r.Object] = struct{}{}
	}
	s.removeParts(refs[0].Tenant, refs[0].Hour, m, func(p *warehouse.Part) bool {
		_, ok := doomed[p.Object]
		return ok
	})
	return n
}

// removeParts drops the doomed parts of an hour that is there, and the hour
// itself when none is left.
func (s *State) removeParts(name warehouse.Tenant, at warehouse.Hour, m moment, doomed func(*warehouse.Part) bool) int {
	t := s.editTenant(name)
	h := s.editHour(t, at)
	before := h.parts
	h.remove(doomed)
	for _, p := range before {
		if doomed(p) {
			s.dropPart(p, m)
		}
	}
	if len(h.parts) == 0 {
		t.dropHour(at, m.index)
	}
	return len(before) - len(h.parts)
}

// raiseEpoch gives a dataset partition a new epoch.
func (s *State) raiseEpoch(k warehouse.PartitionKey, epoch uint64) {
	t := s.editTenant(k.Tenant)
	if _, ok := t.find(k.Hour); !ok {
		t.raiseHorizon(k.Hour, epoch)
		return
	}
	s.editHour(t, k.Hour).setEpoch(k.Service, epoch)
}

func (s *State) isLive(r PartRef) bool {
	t := s.draft.tenant(r.Tenant)
	if t == nil {
		return false
	}
	i, ok := t.find(r.Hour)
	return ok && t.hours[i].part(r.Object) != nil
}
