package objecttest

import (
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// Op is an operation of a bucket.
type Op string

// The operations.
const (
	OpPut    Op = "put"
	OpRead   Op = "read"
	OpStat   Op = "stat"
	OpList   Op = "list"
	OpDelete Op = "delete"
)

// Fault is something that a store does wrong.
type Fault uint8

// The faults. No fault waits: a time-out answers at once that it timed out.
const (
	FailBefore    Fault = iota + 1 // Unavailable, without effect
	FailAfter                      // Unavailable, although it took effect
	FailLate                       // put, delete: Unavailable; takes effect at a later call
	TimeoutBefore                  // Deadline, without effect
	TimeoutAfter                   // Deadline, although it took effect
	Cancel                         // Canceled, without effect
	Torn                           // put: half of the object is stored, then Unavailable
	Short                          // read: fewer bytes than asked for, without an error
	Flipped                        // read: one bit is wrong, without an error
	Missing                        // read, stat: NotFound, although it is there
	Stale                          // list: does not show what changed since the last listing that was not stale
	Repeated                       // list: one entry comes twice
	numFaults
)

var faultNames = [numFaults]string{
	"none", "fail before", "fail after", "fail late", "time-out before", "time-out after", "cancel",
	"torn", "short", "flipped", "missing", "stale", "repeated",
}

// String returns the fault in words.
func (f Fault) String() string { return faultNames[f%numFaults] }

// Faults returns every fault.
func Faults() []Fault {
	all := make([]Fault, 0, numFaults-1)
	for f := FailBefore; f < numFaults; f++ {
		all = append(all, f)
	}
	return all
}

// appliesTo reports whether op can go wrong in the way of f.
func (f Fault) appliesTo(op Op) bool {
	switch f {
	case FailLate:
		return op == OpPut || op == OpDelete
	case Torn:
		return op == OpPut
	case Short, Flipped:
		return op == OpRead
	case Missing:
		return op == OpRead || op == OpStat
	case Stale, Repeated:
		return op == OpList
	}
	return true
}

// FaultPlan says what goes wrong. The first rule that fires decides.
type FaultPlan struct {
	Seed  uint64 // of rules with a chance
	Rules []Rule
}

// Rule makes some calls go wrong in one way.
type Rule struct {
	Op     Op     // the operation; empty means each that the fault can befall
	Prefix string // only names, or listed folders, that begin so
	Fault  Fault

	// Nth is the number, from 1, of the one call that fails among those the rule
	// concerns. 0 means by chance.
	Nth int
	// Chance is the probability of each call to fail. It depends on the seed, the
	// operation, the name and how often that operation was called for it.
	Chance float64
}

func (r Rule) concerns(op Op, name string) bool {
	return (r.Op == "" || r.Op == op) && r.Fault.appliesTo(op) && strings.HasPrefix(name, r.Prefix)
}

// late is an effect that a store shows only after it denied it.
type late struct {
	op   Op
	name string
	data []byte
}

// change is what happened to a name since the last honest listing.
type change struct {
	was object.Attrs // as it was listed; Name is empty if it was not there
}
