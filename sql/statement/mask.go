package statement

import (
	"context"
	"slices"

	"github.com/stackhouse-db/stackhouse/sql/macro"
	"github.com/stackhouse-db/stackhouse/sql/plan"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// masks are what is deleted of the parts that a statement reads, and not yet gone.
type masks struct {
	all   []*warehouse.Deletion
	hours map[warehouse.Hour]bool // of which something is deleted

	// needed are, for relations of definitions, the parts of these hours with the facts
	// that tell which definitions are left; by the table of the facts.
	needed plan.Selection
}

// findMasks looks for deletions, and for what more is to be read because of them.
func (r *running) findMasks() *masks {
	m := &masks{all: r.snapshot.Deletions(r.sess.Tenant), needed: plan.Selection{}}
	if len(m.all) == 0 {
		return m
	}
	m.hours = map[warehouse.Hour]bool{}
	parts := r.snapshot.Parts(r.sess.Tenant, warehouse.TimeRange{From: warehouse.MinTime, To: warehouse.MaxTime})
	for _, p := range parts {
		m.hours[p.Hour] = m.hours[p.Hour] || warehouse.MasksOf(m.all, p) != nil
	}
	for t := range r.selection {
		facts, ok := macro.FactsOf(t)
		if !ok || !r.showsDefinitions(t) {
			continue
		}
		for _, p := range parts {
			if _, ok := p.Section(facts); ok && m.hours[p.Hour] {
				m.needed[facts] = append(m.needed[facts], p)
			}
		}
	}
	return m
}

// showsDefinitions reports whether the statement may show definitions that no row of
// its samples or profiles has: those are joined with facts that are left, anyhow.
func (r *running) showsDefinitions(t warehouse.Table) bool {
	return r.plans == nil || slices.ContainsFunc(r.plans.Scans, func(s *plan.Scan) bool { return s.Table == t && len(s.Of) == 0 })
}

// masked acquires the sections of a table, and says what hides rows of them.
func (r *running) masked(ctx context.Context, m *masks, t warehouse.Table, parts []*warehouse.Part) (out macro.Files, err error) {
	facts, isDefinition := macro.FactsOf(t)
	needed := m.needed[facts]
	switch {
	case len(m.all) == 0:
	case !isDefinition:
		out.Masks = m.of(parts)
	case len(needed) > 0:
		parts = slices.Clone(parts)
		slices.SortStableFunc(parts, func(a, b *warehouse.Part) int {
			switch {
			case m.hours[a.Hour] == m.hours[b.Hour]:
				return 0
			case m.hours[a.Hour]:
				return 1
			}
			return -1
		})
		for _, p := range parts {
			if m.hours[p.Hour] {
				out.Doubtful++
			}
		}
		out.Facts = &macro.Files{Masks: m.of(needed)}
		if out.Facts.Paths, err = r.files(ctx, facts, needed); err != nil {
			return out, err
		}
	}
	out.Paths, err = r.files(ctx, t, parts)
	return out, err
}

// of returns the masks of the parts' files.
func (m *masks) of(parts []*warehouse.Part) []macro.Mask {
	var out []macro.Mask
	for _, d := range m.all {
		mask := macro.Mask{Deletion: d}
		for i, p := range parts {
			if d.Masks(p) {
				mask.Places = append(mask.Places, i)
			}
		}
		if mask.Places != nil {
			out = append(out, mask)
		}
	}
	return out
}
