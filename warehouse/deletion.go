package warehouse

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Deletion is a delete as the metastore knows it: a mask on every row that was
// registered before it. What is registered later stays, whatever its time.
//
// A Deletion is immutable once registered.
type Deletion struct {
	ID     ObjectID
	Tenant Tenant

	// What is deleted: rows of these services, types and series, all together. An
	// empty list restricts nothing. Sorted, each once.
	Services []string
	Types    []string // text forms of profile types
	Series   []SeriesID

	From, To Micros // of the profiles' start: [From, To)

	Selector string // as who deleted wrote it; says nothing beyond what stands above
	Reason   DeletionReason

	Index       uint64 // of the log, at which it was applied
	SubmittedAt Micros // the leader's time then
}

// DeletionReason is why something is deleted. The numbers are stored: never renumber.
type DeletionReason uint8

// The reasons.
const (
	DeletedByOperator  DeletionReason = 1 // somebody asked for it
	DeletedByRetention DeletionReason = 2 // it is older than a rule of retention allows
)

// String returns the reason in a word.
func (r DeletionReason) String() string {
	switch r {
	case DeletedByOperator:
		return "operator"
	case DeletedByRetention:
		return "retention"
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// Range returns the deleted instants as a closed range.
func (d *Deletion) Range() TimeRange { return TimeRange{From: d.From, To: d.To - 1} }

// HasService reports whether profiles of the service are meant.
func (d *Deletion) HasService(service string) bool { return isListed(d.Services, service) }

// HasDataset reports whether profiles of the service and type are meant.
func (d *Deletion) HasDataset(service, typ string) bool {
	return d.HasService(service) && isListed(d.Types, typ)
}

// HasSeries reports whether the series is meant, if its service and type are.
func (d *Deletion) HasSeries(id SeriesID) bool { return isListed(d.Series, id) }

// Hides reports whether a row is deleted, if it was registered before.
func (d *Deletion) Hides(service, typ string, series SeriesID, at Micros) bool {
	return d.From <= at && at < d.To && d.HasDataset(service, typ) && d.HasSeries(series)
}

// Overlaps reports whether some of a dataset's rows, which lie in the range, may be
// deleted.
func (d *Deletion) Overlaps(service, typ string, r TimeRange) bool {
	return d.Range().Overlaps(r) && d.HasDataset(service, typ)
}

// Covers reports whether all of a dataset's rows, which lie in the range, are
// deleted.
func (d *Deletion) Covers(service, typ string, r TimeRange) bool {
	return len(d.Series) == 0 && d.Range().Covers(r) && d.HasDataset(service, typ)
}

// Masks reports whether the deletion was not applied to the part's rows and may
// concern some of them.
func (d *Deletion) Masks(p *Part) bool {
	if d.Index <= p.Masked || d.Tenant != p.Tenant || !d.Range().Overlaps(p.Range) {
		return false
	}
	for i := range p.Datasets {
		ds := &p.Datasets[i]
		if !d.HasService(ds.Service) {
			continue
		}
		for j := range ds.Types {
			if d.Overlaps(ds.Service, ds.Types[j].Type, ds.Types[j].Range) {
				return true
			}
		}
	}
	return false
}

// MasksOf returns those of the deletions that mask rows of the part, in their order;
// nil if none does.
func MasksOf(all []*Deletion, p *Part) []*Deletion {
	var out []*Deletion
	for _, d := range all {
		if d.Masks(p) {
			out = append(out, d)
		}
	}
	return out
}

// MasksOfDataset returns those of a part's masks that may concern rows of a service
// and type in a range; nil if none does. gone: one of them hides all.
func MasksOfDataset(masks []*Deletion, service, typ string, r TimeRange) (of []*Deletion, gone bool) {
	for _, d := range masks {
		if d.Overlaps(service, typ, r) {
			of = append(of, d)
			gone = gone || d.Covers(service, typ, r)
		}
	}
	return of, gone
}

// Validate checks that d obeys what its fields promise. Errors are Invalid and name
// the field.
func (d *Deletion) Validate() error {
	switch {
	case d.ID == ObjectID{}:
		return Errorf(Invalid, "validate deletion: id is zero")
	case d.Reason != DeletedByOperator && d.Reason != DeletedByRetention:
		return d.invalid("reason is %d", d.Reason)
	case d.From >= d.To:
		return d.invalid("from %s is not before to %s", d.From, d.To)
	case !isSorted(d.Services) || !isSorted(d.Types) || !isSorted(d.Series):
		return d.invalid("services, types or series are not sorted, or one is there twice")
	}
	if _, err := ParseTenant(string(d.Tenant)); err != nil {
		return d.invalid("%w", err)
	}
	return nil
}

func (d *Deletion) invalid(format string, args ...any) error {
	return Errorf(Invalid, "validate deletion %s: "+format, append([]any{d.ID}, args...)...)
}

func isSorted[T cmp.Ordered](s []T) bool {
	for i := 1; i < len(s); i++ {
		if s[i-1] >= s[i] {
			return false
		}
	}
	return true
}

// isListed reports whether a sorted list has the value, or restricts nothing.
func isListed[T cmp.Ordered](list []T, v T) bool {
	if len(list) == 0 {
		return true
	}
	_, ok := slices.BinarySearch(list, v)
	return ok
}

// Removed counts the rows of a service and type that a job left out because they
// are deleted.
type Removed struct {
	Service, Type     string
	Profiles, Samples int64 // rows of the tables
}

// String lists what is deleted, for people.
func (d *Deletion) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s", d.ID, d.Tenant)
	if d.Selector != "" {
		b.WriteString(": " + d.Selector)
	}
	return b.String()
}
