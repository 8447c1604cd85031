package compactor

import (
	"cmp"
	"slices"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// mask is the deletions that hide rows of one input.
type mask []*warehouse.Deletion

func maskOf(all []*warehouse.Deletion, p *warehouse.Part) mask { return warehouse.MasksOf(all, p) }

// hides reports whether rows with the key are deleted.
func (m mask) hides(k *runKey) bool {
	for _, d := range m {
		if d.Hides(k.service, k.typ, k.series, k.time) {
			return true
		}
	}
	return false
}

// removedRows counts what is left out of a dataset, by both tables that have it: they
// must agree.
type removedRows struct {
	samples  int64
	sum      sum
	profiles int64
	expected int64 // samples, by the profiles
	total    sum   // likewise
}

func (r *merger) leftOut(name datasetName) removedRows {
	if x := r.removed[name]; x != nil {
		return *x
	}
	return removedRows{}
}

func (r *merger) removedOf(name datasetName) *removedRows {
	x := r.removed[name]
	if x == nil {
		x = &removedRows{}
		r.removed[name] = x
	}
	return x
}

// readProfiles reads a file of profiles, without those that are deleted.
func (r *merger) readProfiles(p *warehouse.Part, data []byte) error {
	masks := maskOf(r.Masks, p)
	return r.profiles.read(p, data, func(row *block.ProfileRow) bool {
		key := keyOf(row)
		if len(masks) == 0 || !masks.hides(&key) {
			return false
		}
		x := r.removedOf(datasetName{row.Service, row.Type})
		x.profiles++
		x.expected += int64(row.Samples)
		x.total.add(row.Value)
		return true
	})
}

// leaveOut counts the run that the cursor stands on, which is deleted.
func (r *merger) leaveOut(c *cursor) error {
	end := c.current().End
	if err := c.group.Load(c.from, end); err != nil {
		return inputError(c.part, warehouse.TableSamples, err)
	}
	x := r.removedOf(datasetName{c.key.service, c.key.typ})
	x.samples += int64(end - c.from)
	for _, v := range c.group.Values(c.from, end) {
		if v <= 0 {
			return inputError(c.part, warehouse.TableSamples, warehouse.Errorf(warehouse.Corrupt, "a sample at %s has the value %d", c.key.time, v))
		}
		x.sum.add(v)
	}
	return nil
}

// checkLeftOut compares the samples of a dataset that were left out with its profiles
// that were.
func (r *merger) checkLeftOut(name datasetName) error {
	switch x := r.leftOut(name); {
	case x.samples != x.expected:
		return r.contradiction("service %q, type %q: %d samples are deleted, the deleted profiles have %d", name.service, name.typ, x.samples, x.expected)
	case x.sum != x.total:
		return r.contradiction("service %q, type %q: the values of the deleted samples and of the deleted profiles differ", name.service, name.typ)
	}
	return nil
}

// allRemoved lists what was left out, by service and type.
func (r *merger) allRemoved() []warehouse.Removed {
	var out []warehouse.Removed
	for name, x := range r.removed {
		out = append(out, warehouse.Removed{Service: name.service, Type: name.typ, Profiles: x.profiles, Samples: x.samples})
	}
	slices.SortFunc(out, func(a, b warehouse.Removed) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Type, b.Type))
	})
	return out
}
