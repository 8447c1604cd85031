package plan

import (
	"cmp"
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Index is a tenant's part of a snapshot of the index.
type Index interface {
	// Parts returns the parts whose Range overlaps r, by hour.
	Parts(t warehouse.Tenant, r warehouse.TimeRange) []*warehouse.Part
	// Deletions returns the deletions that may hide rows of parts.
	Deletions(t warehouse.Tenant) []*warehouse.Deletion
}

// retention is the range of all data.
var retention = warehouse.TimeRange{From: warehouse.MinTime, To: warehouse.MaxTime}

// Selection holds, for each table, the parts that have a section to read.
type Selection map[warehouse.Table][]*warehouse.Part

// SizeBytes returns the size of the sections.
func (s Selection) SizeBytes() (n int64) {
	for t, parts := range s {
		for _, p := range parts {
			section, _ := p.Section(t)
			n += section.Size
		}
	}
	return n
}

// Sections returns how many there are.
func (s Selection) Sections() (n int) {
	for _, parts := range s {
		n += len(parts)
	}
	return n
}

// Whole selects all that a tenant has of some tables: for statements whose plan is
// not known.
func Whole(ix Index, tenant warehouse.Tenant, tables ...warehouse.Table) Selection {
	out := Selection{}
	parts := ix.Parts(tenant, retention)
	for _, t := range tables {
		for _, p := range parts {
			if _, ok := p.Section(t); ok {
				out[t] = append(out[t], p)
			}
		}
	}
	return out
}

// Select returns the parts that the plan's scans need: all scans of one relation
// read the same ones.
func (p *Plan) Select(ix Index, tenant warehouse.Tenant) Selection {
	s := selector{ix: ix, tenant: tenant, masks: ix.Deletions(tenant), chosen: map[warehouse.Table]map[*warehouse.Part]bool{}, facts: map[*Scan]partitions{}}
	for _, scan := range p.Scans {
		if definitionID(scan.Table) == "" {
			s.fact(scan)
		}
	}
	for _, scan := range p.Scans {
		if definitionID(scan.Table) != "" {
			s.definition(scan)
		}
	}
	return s.selection()
}

// partitions are dataset partitions, by hour and service.
type partitions map[warehouse.Hour]map[string]bool

func (ps partitions) add(h warehouse.Hour, service string) {
	if ps[h] == nil {
		ps[h] = map[string]bool{}
	}
	ps[h][service] = true
}

type selector struct {
	ix     Index
	tenant warehouse.Tenant
	masks  []*warehouse.Deletion
	chosen map[warehouse.Table]map[*warehouse.Part]bool
	facts  map[*Scan]partitions // what each scan of samples or profiles reads
}

func (s *selector) choose(t warehouse.Table, p *warehouse.Part) {
	if s.chosen[t] == nil {
		s.chosen[t] = map[*warehouse.Part]bool{}
	}
	s.chosen[t][p] = true
}

// fact chooses the parts of a scan of samples or profiles.
func (s *selector) fact(scan *Scan) {
	r := scan.Where.Hull()
	r = warehouse.TimeRange{From: max(r.From, retention.From), To: min(r.To, retention.To)}
	ps := partitions{}
	s.facts[scan] = ps
	if r.IsEmpty() {
		return
	}
	var parts []*warehouse.Part
	for _, p := range s.ix.Parts(s.tenant, r) {
		if _, ok := p.Section(scan.Table); ok {
			parts = append(parts, p)
		}
	}
	if scan.Newest > 0 {
		parts = scan.newest(parts, s.masks)
	}
	for _, p := range parts {
		masks := warehouse.MasksOf(s.masks, p)
		for i := range p.Datasets {
			d := &p.Datasets[i]
			for j := range d.Types {
				_, gone := warehouse.MasksOfDataset(masks, d.Service, d.Types[j].Type, d.Types[j].Range)
				if !gone && scan.Where.MayHold(d.Service, d.Types[j].Type, d.Types[j].Range) {
					s.choose(scan.Table, p)
					ps.add(p.Hour, d.Service)
					break
				}
			}
		}
	}
}

// definition chooses the parts of a scan of series or stacktraces. Within a dataset
// partition it never looks at time: definitions may lie in any of its parts.
func (s *selector) definition(scan *Scan) {
	within := partitions{}
	for _, fact := range scan.Of {
		for h, services := range s.facts[fact] {
			for service := range services {
				within.add(h, service)
			}
		}
	}
	for _, p := range s.ix.Parts(s.tenant, retention) {
		if _, ok := p.Section(scan.Table); ok && scan.defines(p, within) {
			s.choose(scan.Table, p)
		}
	}
}

// defines reports whether a part may define what the scan needs.
func (scan *Scan) defines(p *warehouse.Part, within partitions) bool {
	for i := range p.Datasets {
		service := p.Datasets[i].Service
		if len(scan.Of) > 0 && !within[p.Hour][service] {
			continue
		}
		// stacktraces have no service: their ids may be defined under any one.
		if scan.Table != warehouse.TableSeries || scan.Where.MayHoldService(service) {
			return true
		}
	}
	return false
}

// newest returns parts with enough rows, of which none left out has a row that is
// wanted instead. A part of which something is deleted may have no row.
func (scan *Scan) newest(parts []*warehouse.Part, masks []*warehouse.Deletion) []*warehouse.Part {
	byStart := sortedByStart(parts)
	rows := int64(0)
	for n, p := range byStart {
		section, _ := p.Section(scan.Table)
		if warehouse.MasksOf(masks, p) != nil {
			continue
		}
		rows += section.Rows
		if rows < scan.Newest {
			continue
		}
		if !scan.ByTime {
			return byStart[:n+1]
		}
		// At least the wanted number of rows is not older than this part begins.
		var out []*warehouse.Part
		for _, q := range parts {
			if q.Range.To >= p.Range.From {
				out = append(out, q)
			}
		}
		return out
	}
	return parts
}

// selection lists the chosen parts in the order of the index.
func (s *selector) selection() Selection {
	out := Selection{}
	for _, p := range s.ix.Parts(s.tenant, retention) {
		for t, chosen := range s.chosen {
			if chosen[p] {
				out[t] = append(out[t], p)
			}
		}
	}
	return out
}

// sortedByStart returns the parts, those that begin last first.
func sortedByStart(parts []*warehouse.Part) []*warehouse.Part {
	out := slices.Clone(parts)
	slices.SortStableFunc(out, func(a, b *warehouse.Part) int { return cmp.Compare(b.Range.From, a.Range.From) })
	return out
}
