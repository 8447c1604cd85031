package query

import (
	"context"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// view is what one query sees: a pinned snapshot of one tenant's parts.
type view struct {
	tenant warehouse.Tenant
	within warehouse.TimeRange // what the query asks about, inside the bounds of profile times
	parts  []*warehouse.Part   // of all hours that within touches, in full: definitions may lie outside of within
	masks  maskTable
	snap   Snapshot
}

// view pins the tenant's parts. The caller releases it when it reads no more.
func (s *Service) view(ctx context.Context, t warehouse.Tenant, r warehouse.TimeRange) (*view, error) {
	if err := ctxError(ctx); err != nil {
		return nil, err
	}
	snap, err := s.opts.Index.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	v := &view{tenant: t, within: clamp(r), snap: snap}
	if v.within.IsEmpty() {
		v.within = warehouse.EmptyRange
		return v, nil
	}
	v.parts = snap.Parts(t, warehouse.TimeRange{
		From: v.within.From.Hour().Start(),
		To:   v.within.To.Hour().End() - 1,
	})
	v.masks = newMaskTable(snap.Deletions(t), v.parts)
	return v, nil
}

func (v *view) release() { v.snap.Release() }

// clamp cuts r to where profiles can be, so that arithmetic on it is safe.
func clamp(r warehouse.TimeRange) warehouse.TimeRange {
	return warehouse.TimeRange{From: max(r.From, warehouse.MinTime), To: min(r.To, warehouse.MaxTime)}
}

// target is what one service has of one profile type in one part.
type target struct {
	part     *warehouse.Part
	dataset  int                 // number of service and type among the view's
	place    int                 // of the dataset in the part
	span     warehouse.TimeRange // of its profiles
	rows     int64               // samples
	firstRow int64               // in the part's samples section
	covered  bool                // all of its profiles lie in the view's range
	whole    bool                // the selector's labels pick all of its series
	rollup   bool                // its totals are meant, not its samples

	masks []*warehouse.Deletion // that may hide some of its rows

	datasetName
}

// datasetName is a service and a profile type.
type datasetName struct{ service, typ string }

// targets returns the datasets that accept lets through and that have profiles
// in or around the view's range, by part. What is deleted as a whole is left out. It
// asks accept once for each, which
// numbers them from 0; a number below 0 refuses.
func (v *view) targets(accept func(datasetName) int) []target {
	var out []target
	var known datasetNumbers
	for _, p := range v.parts {
		if !v.within.Overlaps(p.Range) {
			continue
		}
		var row int64
		place := 0
		masks := v.masks[p]
		for i := range p.Datasets {
			d := &p.Datasets[i]
			for j := range d.Types {
				t := &d.Types[j]
				of, gone := warehouse.MasksOfDataset(masks, d.Service, t.Type, t.Range)
				if v.within.Overlaps(t.Range) && !gone {
					name := datasetName{d.Service, t.Type}
					if n := known.number(place, name, accept); n >= 0 {
						out = append(out, target{
							part: p, dataset: n, place: place, span: t.Range, rows: t.Rows, firstRow: row,
							covered: v.within.Covers(t.Range), masks: of, datasetName: name,
						})
					}
				}
				row += t.Rows
				place++
			}
		}
	}
	return out
}

// datasetNumbers remembers the numbers of datasets. Parts mostly have the same
// datasets in the same places, so it looks there before it hashes names.
type datasetNumbers struct {
	places []numberedDataset
	all    map[datasetName]int
}

type numberedDataset struct {
	name   datasetName
	number int
}

func (x *datasetNumbers) number(place int, name datasetName, accept func(datasetName) int) int {
	for place >= len(x.places) {
		x.places = append(x.places, numberedDataset{})
	}
	at := &x.places[place]
	if at.name == name {
		return at.number
	}
	n, ok := x.all[name]
	if !ok {
		if x.all == nil {
			x.all = map[datasetName]int{}
		}
		n = accept(name)
		x.all[name] = n
	}
	*at = numberedDataset{name, n}
	return n
}

// targetsOf returns the targets of one profile type that f may accept.
func (v *view) targetsOf(typ warehouse.ProfileType, f filter) []target {
	text := typ.String()
	n := -1
	return v.targets(func(name datasetName) int {
		if name.typ != text || !f.acceptsDataset(name.service, typ) {
			return -1
		}
		n++
		return n
	})
}

// partKey names a part in caches.
type partKey struct {
	tenant warehouse.Tenant
	object warehouse.ObjectID
	hour   warehouse.Hour
}

func keyOf(p *warehouse.Part) partKey { return partKey{p.Tenant, p.Object, p.Hour} }

// partitions are the dataset partitions that targets lie in.
type partitions map[warehouse.Hour]map[string]struct{}

func partitionsOf(ts []target) partitions {
	out := partitions{}
	for i := range ts {
		h := ts[i].part.Hour
		if out[h] == nil {
			out[h] = map[string]struct{}{}
		}
		out[h][ts[i].service] = struct{}{}
	}
	return out
}

// partsWith returns the view's parts that may define ids of the partitions: by
// invariant, all of them together do.
func (v *view) partsWith(ps partitions, table warehouse.Table) []*warehouse.Part {
	var out []*warehouse.Part
	for _, p := range v.parts {
		services, ok := ps[p.Hour]
		if !ok {
			continue
		}
		if _, ok := p.Section(table); ok && hasService(p, services) {
			out = append(out, p)
		}
	}
	return out
}

func hasService(p *warehouse.Part, services map[string]struct{}) bool {
	for i := range p.Datasets {
		if _, ok := services[p.Datasets[i].Service]; ok {
			return true
		}
	}
	return false
}

// describe lists a few of the parts, for errors.
func describe(parts []*warehouse.Part) string {
	const most = 3
	var b strings.Builder
	for i, p := range parts {
		switch {
		case i == most:
			b.WriteString(", …")
			return b.String()
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(p.Object.String())
	}
	return b.String()
}
