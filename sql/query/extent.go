package query

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Extent is what matchers pick in a range of time, of what is not deleted.
type Extent struct {
	Series   []warehouse.SeriesID // sorted
	Services []string             // of these, sorted
	Types    []string             // likewise
	Profiles int64                // received ones
	Samples  int64                // rows of samples
	Bytes    int64                // about: the share of the objects that their samples are
}

// Extent finds the series that have a profile in r and match, and counts what they
// have in it.
func (s *Service) Extent(ctx context.Context, t warehouse.Tenant, ms []warehouse.Matcher, r warehouse.TimeRange) (out Extent, err error) {
	defer s.metrics.observe("extent", time.Now(), &err)
	v, err := s.view(ctx, t, r)
	if err != nil {
		return out, err
	}
	defer v.release()
	services, types := map[string]struct{}{}, map[string]struct{}{}
	err = s.eachSeriesOf(ctx, v, [][]warehouse.Matcher{ms}, func(one *warehouse.Series) {
		out.Series = append(out.Series, one.ID)
		services[one.Service()] = struct{}{}
		types[one.Type.String()] = struct{}{}
	})
	if err != nil || len(out.Series) == 0 {
		return Extent{}, err
	}
	slices.Sort(out.Series)
	out.Services, out.Types = slices.Sorted(maps.Keys(services)), slices.Sorted(maps.Keys(types))
	parts := partsOf(v.targets(func(name datasetName) int {
		_, hasService := services[name.service]
		_, hasType := types[name.typ]
		if hasService && hasType {
			return 0
		}
		return -1
	}))
	return out, s.count(ctx, v, parts, &out)
}

// count fills in how much the series have in the parts.
func (s *Service) count(ctx context.Context, v *view, parts []*warehouse.Part, out *Extent) error {
	ids := make([]int64, len(out.Series))
	for i, id := range out.Series {
		ids[i] = int64(id)
	}
	values := bindings{"series": ids}
	restrictTime(values, v.within)
	return s.scan(ctx, v.masks, statements.extent, parts, warehouse.TableProfiles, values, func(rec arrow.RecordBatch) error {
		cols := newColumns(rec)
		files, profiles, rows, samples := cols.int64(0), cols.int64(1), cols.int64(2), cols.decimal(3)
		if cols.err != nil {
			return cols.err
		}
		for i, file := range files {
			w, err := wideOf(samples.Value(i))
			if err != nil {
				return err
			}
			n, _ := w.int64() // the rows of files fit
			if file < 0 {
				out.Profiles, out.Samples = profiles[i], n
				continue
			}
			out.Bytes += share(parts[file], rows[i], n)
		}
		return nil
	})
}

// share is about the bytes that rows of profiles and samples take of a part.
func share(p *warehouse.Part, rows, samples int64) int64 {
	section, _ := p.Section(warehouse.TableProfiles)
	part, of := samples, p.Rows()
	if of == 0 {
		part, of = rows, section.Rows
	}
	if of == 0 {
		return 0
	}
	return int64(float64(p.SizeBytes()) * float64(part) / float64(of))
}
