package query

import (
	"context"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// definitions remembers what series ids stand for. Ids are content hashes, so a
// definition never goes stale; a budget is kept by two generations: what the old
// one knows and nobody asks for is forgotten when the new one is half full.
type definitions struct {
	mu       sync.Mutex
	max      int64
	cur, old *generation
}

type generation struct {
	bytes   int64
	tenants map[warehouse.Tenant]*tenantSeries
}

type tenantSeries struct {
	known  map[warehouse.SeriesID]*warehouse.Series
	loaded map[partKey]struct{} // parts whose definitions are all in known
}

func newDefinitions(maxBytes int64) *definitions {
	return &definitions{max: maxBytes, cur: newGeneration(), old: newGeneration()}
}

func newGeneration() *generation {
	return &generation{tenants: map[warehouse.Tenant]*tenantSeries{}}
}

func (g *generation) tenant(t warehouse.Tenant) *tenantSeries {
	ts, ok := g.tenants[t]
	if !ok {
		ts = &tenantSeries{known: map[warehouse.SeriesID]*warehouse.Series{}, loaded: map[partKey]struct{}{}}
		g.tenants[t] = ts
	}
	return ts
}

// resolve sets the definitions of the ids that are keys of dst and known, and
// returns how many are not.
func (d *definitions) resolve(t warehouse.Tenant, dst map[warehouse.SeriesID]*warehouse.Series) (missing int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	cur, old := d.cur.tenant(t), d.old.tenants[t]
	for id, s := range dst {
		if s != nil {
			continue
		}
		if s = cur.known[id]; s == nil && old != nil {
			if s = old.known[id]; s != nil {
				d.keep(cur, s)
			}
		}
		if s == nil {
			missing++
			continue
		}
		dst[id] = s
	}
	d.rotate()
	return missing
}

// unloaded returns those of parts whose definitions were not read since the
// current generation began.
func (d *definitions) unloaded(parts []*warehouse.Part) []*warehouse.Part {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*warehouse.Part
	for _, p := range parts {
		if _, ok := d.cur.tenant(p.Tenant).loaded[keyOf(p)]; !ok {
			out = append(out, p)
		}
	}
	return out
}

func (d *definitions) add(p *warehouse.Part, series []*warehouse.Series) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ts := d.cur.tenant(p.Tenant)
	for _, s := range series {
		if ts.known[s.ID] == nil {
			d.keep(ts, s)
		}
	}
	ts.loaded[keyOf(p)] = struct{}{}
	d.cur.bytes += 128
	d.rotate()
}

func (d *definitions) keep(ts *tenantSeries, s *warehouse.Series) {
	ts.known[s.ID] = s
	d.cur.bytes += seriesBytes(s)
}

func (d *definitions) rotate() {
	if d.cur.bytes > d.max/2 {
		d.cur, d.old = newGeneration(), d.cur
	}
}

func (d *definitions) sizeBytes() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cur.bytes + d.old.bytes
}

func seriesBytes(s *warehouse.Series) int64 {
	n := int64(200)
	for _, l := range s.Labels {
		n += int64(32 + len(l.Name) + len(l.Value))
	}
	return n
}

// seriesByID is the definition of every series that a query is about.
type seriesByID map[warehouse.SeriesID]*warehouse.Series

// define sets the definitions of all keys of ids, which occur in the targets. A
// series without a definition breaks an invariant of storage: Corrupt.
func (s *Service) define(ctx context.Context, v *view, ids seriesByID, ts []target) error {
	if s.defs.resolve(v.tenant, ids) == 0 {
		return nil
	}
	parts := v.partsWith(partitionsOf(ts), warehouse.TableSeries)
	if err := s.readDefinitions(ctx, ids, s.defs.unloaded(parts)); err != nil {
		return err
	}
	if s.defs.resolve(v.tenant, ids) == 0 {
		return nil
	}
	// Perhaps other queries have pushed out what was loaded before.
	if err := s.readDefinitions(ctx, ids, parts); err != nil {
		return err
	}
	return undefined(ids, ts, parts)
}

// readDefinitions remembers what the parts define, and sets what ids asks for.
func (s *Service) readDefinitions(ctx context.Context, ids seriesByID, parts []*warehouse.Part) error {
	var mu sync.Mutex
	return s.parallel(ctx, len(parts), func(ctx context.Context, i int) error {
		series, err := s.readSeries(ctx, parts[i])
		if err != nil {
			return err
		}
		s.defs.add(parts[i], series)
		mu.Lock()
		defer mu.Unlock()
		for _, one := range series {
			if known, wanted := ids[one.ID]; wanted && known == nil {
				ids[one.ID] = one
			}
		}
		return nil
	})
}

// undefined names a series without a definition, or returns nil if there is none.
func undefined(ids seriesByID, ts []target, searched []*warehouse.Part) error {
	for id, def := range ids {
		if def == nil {
			return warehouse.Errorf(warehouse.Corrupt, "find series %d: object %s, hour %s, or another has profiles of it, but no object of its partition defines it (searched %d: %s)",
				id, ts[0].part.Object, ts[0].part.Hour, len(searched), describe(searched))
		}
	}
	return nil
}

func (s *Service) readSeries(ctx context.Context, p *warehouse.Part) ([]*warehouse.Series, error) {
	data, err := s.opts.Sections.Read(ctx, p, warehouse.TableSeries)
	if err != nil {
		return nil, err
	}
	var out []*warehouse.Series
	err = block.ReadSeries(data, func(one warehouse.Series) error {
		out = append(out, &one)
		return nil
	})
	if err != nil {
		return nil, partError(p, warehouse.TableSeries, err)
	}
	return out, nil
}
