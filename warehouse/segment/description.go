package segment

import (
	"cmp"
	"slices"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// readSection calls read with the part's section of the table, if it has one.
func readSection(data []byte, p *warehouse.Part, t warehouse.Table, read func(section []byte) error) error {
	if _, ok := p.Section(t); !ok {
		return nil
	}
	section, err := Section(data, p, t)
	if err != nil {
		return err
	}
	return read(section)
}

// described is what the rows that are kept of a part say about it.
type described struct {
	types    map[typeKey]*warehouse.TypeStats
	profiles map[string]map[warehouse.ProfileID]struct{} // by service
}

type typeKey struct{ service, name string }

func (d *described) profile(row block.ProfileRow) error {
	key := typeKey{row.Service, row.Type}
	t, ok := d.types[key]
	if !ok {
		t = &warehouse.TypeStats{Type: row.Type, Range: warehouse.EmptyRange}
		d.types[key] = t
	}
	t.Range = t.Range.Union(warehouse.TimeRange{From: row.Time, To: row.Time})
	ids, ok := d.profiles[row.Service]
	if !ok {
		ids = map[warehouse.ProfileID]struct{}{}
		d.profiles[row.Service] = ids
	}
	ids[row.ID] = struct{}{}
	return nil
}

func (d *described) sample(row block.SampleRow) error {
	t, ok := d.types[typeKey{row.Service, row.Type}]
	switch {
	case !ok:
		return warehouse.Errorf(warehouse.Corrupt, "samples of %q %s have no profile", row.Service, row.Type)
	case !t.Range.Contains(row.Time):
		return warehouse.Errorf(warehouse.Corrupt, "sample of %q %s at %s is outside its profiles, %s", row.Service, row.Type, row.Time, t.Range)
	}
	t.Rows++
	return nil
}

// datasets returns the description that the rows deserve.
func (d *described) datasets() []warehouse.Dataset {
	var all []warehouse.Dataset
	for service, ids := range d.profiles {
		ds := warehouse.Dataset{Service: service, Profiles: int64(len(ids))}
		for key, t := range d.types {
			if key.service == service {
				ds.Types = append(ds.Types, *t)
			}
		}
		slices.SortFunc(ds.Types, func(a, b warehouse.TypeStats) int { return cmp.Compare(a.Type, b.Type) })
		all = append(all, ds)
	}
	slices.SortFunc(all, func(a, b warehouse.Dataset) int { return strings.Compare(a.Service, b.Service) })
	return all
}
