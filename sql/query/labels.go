package query

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// ProfileTypes returns the types of the profiles in r, sorted by their text.
func (s *Service) ProfileTypes(ctx context.Context, t warehouse.Tenant, r warehouse.TimeRange) (out []warehouse.ProfileType, err error) {
	defer s.metrics.observe("profile_types", time.Now(), &err)
	texts, err := s.labelValues(ctx, t, warehouse.LabelProfileType, nil, r)
	if err != nil {
		return nil, err
	}
	for _, text := range texts {
		typ, err := warehouse.ParseProfileType(text)
		if err != nil {
			return nil, warehouse.Errorf(warehouse.Corrupt, "list profile types: %w", err)
		}
		out = append(out, typ)
	}
	return out, nil
}

// LabelNames returns the names of the labels, derived ones included, of the
// series that have a profile in r and match one of the sets of matchers; no sets
// match everything. Sorted.
func (s *Service) LabelNames(ctx context.Context, t warehouse.Tenant, sets [][]warehouse.Matcher, r warehouse.TimeRange) (out []string, err error) {
	defer s.metrics.observe("label_names", time.Now(), &err)
	names := map[string]struct{}{}
	err = s.eachSeries(ctx, t, sets, r, func(one *warehouse.Series) {
		for _, l := range one.Labels {
			names[l.Name] = struct{}{}
		}
	})
	if err != nil || len(names) == 0 {
		return nil, err
	}
	for _, l := range (warehouse.ProfileType{}).Derived() {
		names[l.Name] = struct{}{}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// LabelValues returns the values, except the empty one, of a stored or derived
// label in the series that [Service.LabelNames] is about. Sorted.
func (s *Service) LabelValues(ctx context.Context, t warehouse.Tenant, name string, sets [][]warehouse.Matcher, r warehouse.TimeRange) (out []string, err error) {
	defer s.metrics.observe("label_values", time.Now(), &err)
	return s.labelValues(ctx, t, name, sets, r)
}

func (s *Service) labelValues(ctx context.Context, t warehouse.Tenant, name string, sets [][]warehouse.Matcher, r warehouse.TimeRange) ([]string, error) {
	values := map[string]struct{}{}
	f := newFilters(sets)
	var err error
	if isDatasetLabel(name) && f.onlyDatasets() {
		err = s.eachDataset(ctx, t, f, r, func(service string, typ warehouse.ProfileType) {
			if name == warehouse.LabelService {
				values[service] = struct{}{}
			} else {
				values[typ.DerivedValue(name)] = struct{}{}
			}
		})
	} else {
		err = s.eachSeries(ctx, t, sets, r, func(one *warehouse.Series) {
			values[one.LabelValue(name)] = struct{}{}
		})
	}
	delete(values, "")
	if err != nil || len(values) == 0 {
		return nil, err
	}
	return slices.Sorted(maps.Keys(values)), nil
}

// LabelSets returns the distinct label sets, derived labels included, of the
// series that [Service.LabelNames] is about, cut to the names if there are any.
// A set that has none of the names is left out. Sorted.
func (s *Service) LabelSets(ctx context.Context, t warehouse.Tenant, sets [][]warehouse.Matcher, names []string, r warehouse.TimeRange) (out []warehouse.Labels, err error) {
	defer s.metrics.observe("label_sets", time.Now(), &err)
	seen := map[string]struct{}{}
	sorted := slices.Compact(slices.Sorted(slices.Values(names)))
	var set warehouse.Labels // of the series at hand
	var key []byte
	err = s.eachSeries(ctx, t, sets, r, func(one *warehouse.Series) {
		if len(names) == 0 {
			set = appendLabels(set[:0], one)
		} else {
			set = appendPicked(set[:0], one, sorted)
		}
		key = appendKey(key[:0], set)
		if _, ok := seen[string(key)]; len(set) > 0 && !ok {
			seen[string(key)] = struct{}{}
			out = append(out, slices.Clone(set))
		}
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, warehouse.Labels.Compare)
	return out, nil
}

// appendLabels appends a series' stored and derived labels, sorted.
func appendLabels(dst warehouse.Labels, one *warehouse.Series) warehouse.Labels {
	dst = append(append(dst, one.Type.Derived()...), one.Labels...)
	slices.SortFunc(dst, func(a, b warehouse.Label) int { return strings.Compare(a.Name, b.Name) })
	return dst
}

// appendPicked appends those of the names, which are sorted, that a series has.
func appendPicked(dst warehouse.Labels, one *warehouse.Series, names []string) warehouse.Labels {
	for _, name := range names {
		if warehouse.IsDerivedLabel(name) {
			dst = append(dst, warehouse.Label{Name: name, Value: one.Type.DerivedValue(name)})
		} else if value, ok := one.Labels.Lookup(name); ok {
			dst = append(dst, warehouse.Label{Name: name, Value: value})
		}
	}
	return dst
}

// appendKey appends what tells a set from every other.
func appendKey(dst []byte, set warehouse.Labels) []byte {
	for _, l := range set {
		dst = binary.AppendUvarint(dst, uint64(len(l.Name)))
		dst = append(dst, l.Name...)
		dst = binary.AppendUvarint(dst, uint64(len(l.Value)))
		dst = append(dst, l.Value...)
	}
	return dst
}

func isDatasetLabel(name string) bool {
	return name == warehouse.LabelService || warehouse.IsDerivedLabel(name)
}

// filters are alternatives: what one of them accepts is meant.
type filters []filter

func newFilters(sets [][]warehouse.Matcher) filters {
	if len(sets) == 0 {
		return filters{{}}
	}
	out := make(filters, len(sets))
	for i, ms := range sets {
		out[i] = newFilter(ms)
	}
	return out
}

// onlyDatasets reports whether service and type decide.
func (fs filters) onlyDatasets() bool {
	return !slices.ContainsFunc(fs, func(f filter) bool { return len(f.series) > 0 })
}

// forDataset returns the alternatives that a dataset leaves open.
func (fs filters) forDataset(service string, typ warehouse.ProfileType) filters {
	var out filters
	for _, f := range fs {
		if f.acceptsDataset(service, typ) {
			out = append(out, f)
		}
	}
	return out
}

func (fs filters) acceptsSeries(one *warehouse.Series) bool {
	return slices.ContainsFunc(fs, func(f filter) bool { return one.Matches(f.series) })
}

// open is what the alternatives leave open in a view.
type open struct {
	targets []target
	types   []warehouse.ProfileType // by number of dataset
	filters []filters               // likewise: the alternatives that may accept it
}

func (v *view) open(fs filters) (*open, error) {
	o := &open{}
	var bad error
	o.targets = v.targets(func(name datasetName) int {
		typ, err := warehouse.ParseProfileType(name.typ)
		if err != nil {
			bad = warehouse.Errorf(warehouse.Corrupt, "list labels of service %q: %w", name.service, err)
			return -1
		}
		left := fs.forDataset(name.service, typ)
		if len(left) == 0 {
			return -1
		}
		o.types, o.filters = append(o.types, typ), append(o.filters, left)
		return len(o.types) - 1
	})
	return o, bad
}

// eachDataset calls fn with the services and types that have a profile in r,
// once each.
func (s *Service) eachDataset(ctx context.Context, t warehouse.Tenant, fs filters, r warehouse.TimeRange, fn func(service string, typ warehouse.ProfileType)) error {
	v, err := s.view(ctx, t, r)
	if err != nil {
		return err
	}
	defer v.release()
	o, err := v.open(fs)
	if err != nil {
		return err
	}
	seen := make([]bool, len(o.types))
	see := func(t *target, _ warehouse.SeriesID) {
		if !seen[t.dataset] {
			seen[t.dataset] = true
			fn(t.service, o.types[t.dataset])
		}
	}
	for i := range o.targets {
		t := &o.targets[i]
		// The span's ends are times of profiles, unless these are deleted.
		if t.masks == nil && (v.within.Contains(t.span.From) || v.within.Contains(t.span.To)) {
			see(t, 0)
		}
	}
	unsure := slices.DeleteFunc(o.targets, func(t target) bool { return seen[t.dataset] })
	return s.eachPresent(ctx, v, unsure, see)
}

// eachSeries calls fn with the series that have a profile in r and match, once
// each.
func (s *Service) eachSeries(ctx context.Context, t warehouse.Tenant, sets [][]warehouse.Matcher, r warehouse.TimeRange, fn func(*warehouse.Series)) error {
	v, err := s.view(ctx, t, r)
	if err != nil {
		return err
	}
	defer v.release()
	return s.eachSeriesOf(ctx, v, sets, fn)
}

// eachSeriesOf is eachSeries in a view.
func (s *Service) eachSeriesOf(ctx context.Context, v *view, sets [][]warehouse.Matcher, fn func(*warehouse.Series)) error {
	o, err := v.open(newFilters(sets))
	if err != nil {
		return err
	}
	ids, dataset := seriesByID{}, map[warehouse.SeriesID]int{}
	err = s.eachPresent(ctx, v, o.targets, func(t *target, id warehouse.SeriesID) {
		if _, seen := dataset[id]; !seen {
			ids[id], dataset[id] = nil, t.dataset
		}
	})
	if err != nil {
		return err
	}
	if err := s.define(ctx, v, ids, o.targets); err != nil {
		return err
	}
	for id, one := range ids {
		if o.filters[dataset[id]].acceptsSeries(one) {
			fn(one)
		}
	}
	return nil
}

// eachPresent calls fn with every series of the targets that has a profile in
// the view's range, at least once.
func (s *Service) eachPresent(ctx context.Context, v *view, ts []target, fn func(*target, warehouse.SeriesID)) error {
	indexes, err := s.indexesOf(ctx, v, partsOf(ts))
	if err != nil {
		return err
	}
	unsure := map[warehouse.SeriesID]*target{}
	var parts []*warehouse.Part
	for _, of := range byPart(ts) {
		x := indexes[of[0].part]
		within := inHour(x.part.Hour, v.within)
		isUnsure := false
		for i := range of {
			series := x.of(&of[i])
			for j := range series {
				switch x.presence(&series[j], within) {
				case present:
					fn(&of[i], series[j].id)
				case unknown:
					unsure[series[j].id] = &of[i]
					isUnsure = true
				}
			}
		}
		if isUnsure {
			parts = append(parts, x.part)
		}
	}
	return s.scanPresent(ctx, v, parts, unsure, fn)
}

// scanPresent lets the engine look for profiles of series in large parts.
func (s *Service) scanPresent(ctx context.Context, v *view, parts []*warehouse.Part, unsure map[warehouse.SeriesID]*target, fn func(*target, warehouse.SeriesID)) error {
	if len(parts) == 0 {
		return nil
	}
	ids := make([]int64, 0, len(unsure))
	for id := range unsure {
		ids = append(ids, int64(id))
	}
	values := bindings{"series": ids}
	restrictTime(values, v.within)
	return s.scan(ctx, v.masks, statements.seriesPresent, parts, warehouse.TableProfiles, values, func(rec arrow.RecordBatch) error {
		cols := newColumns(rec)
		found := cols.int64(0)
		for _, id := range found {
			fn(unsure[warehouse.SeriesID(id)], warehouse.SeriesID(id))
		}
		return cols.err
	})
}
