package block

import (
	"cmp"
	"slices"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// described is what a part's rows say about the part.
type described struct {
	types    map[typeKey]*warehouse.TypeStats
	profiles map[string]map[warehouse.ProfileID]struct{} // by service
}

type typeKey struct{ service, name string }

func newDescribed() *described {
	return &described{types: map[typeKey]*warehouse.TypeStats{}, profiles: map[string]map[warehouse.ProfileID]struct{}{}}
}

func (d *described) of(service, name string) *warehouse.TypeStats {
	key := typeKey{service, name}
	t, ok := d.types[key]
	if !ok {
		t = &warehouse.TypeStats{Type: name, Range: warehouse.EmptyRange}
		d.types[key] = t
	}
	return t
}

func (d *described) profile(p *ProfileRow) {
	t := d.of(p.Service, p.Type)
	t.Range = t.Range.Union(warehouse.TimeRange{From: p.Time, To: p.Time})
	ids, ok := d.profiles[p.Service]
	if !ok {
		ids = map[warehouse.ProfileID]struct{}{}
		d.profiles[p.Service] = ids
	}
	ids[p.ID] = struct{}{}
}

func (d *described) sample(s *SampleRow) { d.of(s.Service, s.Type).Rows++ }

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

// compare reports what the part's description says otherwise than its rows.
func (d *described) compare(c *partChecker) {
	all := warehouse.EmptyRange
	for _, t := range d.types {
		all = all.Union(t.Range)
	}
	c.report.Checks += 2
	if all != c.part.Range {
		c.addf(CheckRange, 0, "", warehouse.NoRow, "the description says times %s, the rows have %s", c.part.Range, all)
	}
	want := d.datasets()
	if len(want) != len(c.part.Datasets) {
		c.addf(CheckDatasets, 0, "", warehouse.NoRow, "the description has %d datasets, the rows %d", len(c.part.Datasets), len(want))
		return
	}
	for i := range want {
		c.report.Checks++
		got := &c.part.Datasets[i]
		if got.Service != want[i].Service || got.Profiles != want[i].Profiles || !slices.Equal(got.Types, want[i].Types) {
			c.addf(CheckDatasets, 0, "", warehouse.NoRow, "a dataset is described as %+v, its rows are %+v", *got, want[i])
		}
	}
}

// CheckDescription compares what a part's description says about its rows with the
// rows, which queries that prune by it never see: ranges of times, services, types,
// numbers of rows and of profiles. The first difference is a Corrupt error.
func CheckDescription(p *warehouse.Part, read Source) error {
	var r warehouse.Report
	c := &partChecker{part: p, report: &r}
	d := newDescribed()
	profiles := func(data []byte) error {
		return ReadProfiles(data, func(row ProfileRow) error { d.profile(&row); return nil })
	}
	samples := func(data []byte) error {
		return ReadSamples(data, func(row SampleRow) error { d.sample(&row); return nil })
	}
	for _, x := range []struct {
		table warehouse.Table
		fn    func([]byte) error
	}{{warehouse.TableProfiles, profiles}, {warehouse.TableSamples, samples}} {
		if _, ok := p.Section(x.table); !ok {
			continue
		}
		data, err := read(x.table)
		if err == nil {
			err = x.fn(data)
		}
		if err != nil {
			return err
		}
	}
	d.compare(c)
	for _, f := range r.Findings {
		return warehouse.Errorf(warehouse.Corrupt, "%s", f.Text)
	}
	return nil
}
