package query

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"golang.org/x/sync/errgroup"
)

// seriesIndex is what a part's profiles section says, without what is deleted: which
// series have profiles when. The rows themselves are kept for small parts only.
//
// Times are microseconds since the start of the part's hour: an hour has 3.6e9
// of them, which fit 32 bits.
type seriesIndex struct {
	part     *warehouse.Part
	masks    string           // what is deleted: see maskKey
	datasets []indexedDataset // sorted by service and type
	series   []indexedSeries  // of all datasets, in their order, sorted by id within one
	times    []uint32         // a profile each; nil when the part is large
	values   []int64          // totals of the profiles; as long as times
}

type indexedDataset struct {
	datasetName
	from, to int32 // in series
}

type indexedSeries struct {
	id          warehouse.SeriesID
	first, last uint32 // times of its profiles
	from, to    int32  // in times and values, when kept
}

// of returns the series of a target, which is of the index's part.
func (x *seriesIndex) of(t *target) []indexedSeries {
	i := t.place // where it is, unless datasets of the part have no profiles
	if i >= len(x.datasets) || x.datasets[i].datasetName != t.datasetName {
		var ok bool
		i, ok = slices.BinarySearchFunc(x.datasets, t.datasetName, func(d indexedDataset, name datasetName) int {
			return cmp.Or(strings.Compare(d.service, name.service), strings.Compare(d.typ, name.typ))
		})
		if !ok {
			return nil
		}
	}
	return x.series[x.datasets[i].from:x.datasets[i].to]
}

func (x *seriesIndex) hasRows() bool { return x.times != nil }

func (x *seriesIndex) sizeBytes() int64 {
	n := int64(256 + 24*len(x.series) + 12*len(x.times))
	for _, d := range x.datasets {
		n += int64(48 + len(d.service) + len(d.typ))
	}
	return n
}

// presence is whether a series has a profile in a range.
type presence uint8

const (
	absent presence = iota
	present
	unknown // only the rows can tell, and they are not in memory
)

// presence tells whether one of the series' profiles lies in r.
func (x *seriesIndex) presence(s *indexedSeries, r hourRange) presence {
	switch {
	case s.last < r.from || s.first > r.to:
		return absent
	case r.contains(s.first) || r.contains(s.last):
		return present
	case !x.hasRows():
		return unknown
	}
	if from, to := x.rows(s, r); from < to {
		return present
	}
	return absent
}

// rows returns where in times and values the series' profiles in r are.
func (x *seriesIndex) rows(s *indexedSeries, r hourRange) (from, to int) {
	times := x.times[s.from:s.to]
	from = sort.Search(len(times), func(i int) bool { return times[i] >= r.from })
	to = from + sort.Search(len(times)-from, func(i int) bool { return times[from+i] > r.to })
	return int(s.from) + from, int(s.from) + to
}

// hourRange is a closed range of microseconds within an hour.
type hourRange struct{ from, to uint32 }

func (r hourRange) contains(t uint32) bool { return r.from <= t && t <= r.to }

// inHour returns the part of r that lies in the hour; they overlap.
func inHour(h warehouse.Hour, r warehouse.TimeRange) hourRange {
	return hourRange{
		from: uint32(max(r.From, h.Start()) - h.Start()),
		to:   uint32(min(r.To, h.End()-1) - h.Start()),
	}
}

// seriesCache holds the series indexes of parts.
type seriesCache struct {
	mu      sync.Mutex
	indexes *lru[indexKey, *seriesIndex]
	counter cacheCounter
}

// indexKey names an index: of a part, and of what is deleted of it.
type indexKey struct {
	part  partKey
	masks string
}

func newSeriesCache(maxBytes int64) *seriesCache {
	return &seriesCache{indexes: newLRU[indexKey, *seriesIndex](maxBytes, nil)}
}

func (c *seriesCache) lookup(p *warehouse.Part, masks []*warehouse.Deletion) (*seriesIndex, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x, ok := c.indexes.lookup(indexKey{keyOf(p), maskKey(masks)})
	c.counter.count(ok)
	return x, ok
}

func (c *seriesCache) add(x *seriesIndex) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.indexes.add(indexKey{keyOf(x.part), x.masks}, x, x.sizeBytes())
	c.indexes.trim()
}

func (c *seriesCache) sizeBytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.indexes.size
}

// indexesOf returns the series index of each part, by part: of what the view's masks
// leave of it.
func (s *Service) indexesOf(ctx context.Context, v *view, parts []*warehouse.Part) (map[*warehouse.Part]*seriesIndex, error) {
	out := make(map[*warehouse.Part]*seriesIndex, len(parts))
	var missing []*warehouse.Part
	for _, p := range parts {
		if _, done := out[p]; done {
			continue
		}
		x, ok := s.series.lookup(p, v.masks[p])
		if !ok {
			missing = append(missing, p)
		}
		out[p] = x
	}
	var mu sync.Mutex
	err := s.parallel(ctx, len(missing), func(ctx context.Context, i int) error {
		x, err := s.readSeriesIndex(ctx, v, missing[i])
		if err != nil {
			return err
		}
		s.series.add(x)
		mu.Lock()
		defer mu.Unlock()
		out[missing[i]] = x
		return nil
	})
	return out, err
}

// parallel calls fn for 0 to n-1, several at a time, until one fails.
func (s *Service) parallel(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	if n == 0 {
		return ctxError(ctx)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.workers)
	for i := range n {
		g.Go(func() error {
			if err := ctxError(gctx); err != nil {
				return err
			}
			return fn(gctx, i)
		})
	}
	err := g.Wait()
	if ctx.Err() != nil { // rather than what it led to
		return ctxError(ctx)
	}
	return err
}

func (s *Service) readSeriesIndex(ctx context.Context, v *view, p *warehouse.Part) (*seriesIndex, error) {
	masks := v.masks[p]
	section, ok := p.Section(warehouse.TableProfiles)
	if !ok {
		return &seriesIndex{part: p, masks: maskKey(masks)}, nil
	}
	if section.Rows > s.opts.SmallProfiles {
		return s.scanSeriesIndex(ctx, v, p)
	}
	data, err := s.opts.Sections.Read(ctx, p, warehouse.TableProfiles)
	if err != nil {
		return nil, err
	}
	b := newIndexBuilder(p, masks, int(section.Rows))
	err = block.ReadProfiles(data, func(r block.ProfileRow) error {
		if isHidden(masks, r.Service, r.Type, r.Series, r.Time) {
			return nil
		}
		return b.row(r.Service, r.Type, r.Series, r.Time, r.Value)
	})
	if err != nil {
		return nil, partError(p, warehouse.TableProfiles, err)
	}
	return b.finish(), nil
}

// scanSeriesIndex lets the engine sum a large profiles section up.
func (s *Service) scanSeriesIndex(ctx context.Context, v *view, p *warehouse.Part) (*seriesIndex, error) {
	b := newIndexBuilder(p, v.masks[p], 0)
	err := s.scan(ctx, v.masks, statements.seriesIndex, []*warehouse.Part{p}, warehouse.TableProfiles, bindings{}, func(rec arrow.RecordBatch) error {
		cols := newColumns(rec)
		service, typ, id := cols.text(0), cols.text(1), cols.int64(2)
		first, last := cols.micros(3), cols.micros(4)
		if cols.err != nil {
			return cols.err
		}
		for i := range id {
			if err := b.series(service.Value(i), typ.Value(i), warehouse.SeriesID(id[i]), first[i], last[i]); err != nil {
				return partError(p, warehouse.TableProfiles, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b.finish(), nil
}

// indexBuilder takes sorted rows or sorted series.
type indexBuilder struct{ x *seriesIndex }

func newIndexBuilder(p *warehouse.Part, masks []*warehouse.Deletion, rows int) *indexBuilder {
	x := &seriesIndex{part: p, masks: maskKey(masks)}
	if rows > 0 {
		x.times, x.values = make([]uint32, 0, rows), make([]int64, 0, rows)
	}
	return &indexBuilder{x}
}

func (b *indexBuilder) row(service, typ string, id warehouse.SeriesID, t warehouse.Micros, value int64) error {
	x := b.x
	isNew := len(x.series) == 0 || !b.isCurrent(service, typ, id)
	if isNew {
		if err := b.series(service, typ, id, t, t); err != nil {
			return err
		}
	}
	at, err := b.offset(t)
	if err != nil {
		return err
	}
	last := &x.series[len(x.series)-1]
	if at < last.last {
		return warehouse.Errorf(warehouse.Corrupt, "profiles of series %d are not sorted by time", id)
	}
	if isNew {
		last.from = int32(len(x.times))
	}
	x.times, x.values = append(x.times, at), append(x.values, value)
	last.last, last.to = at, int32(len(x.times))
	return nil
}

func (b *indexBuilder) isCurrent(service, typ string, id warehouse.SeriesID) bool {
	d := &b.x.datasets[len(b.x.datasets)-1]
	return b.x.series[len(b.x.series)-1].id == id && d.service == service && d.typ == typ
}

func (b *indexBuilder) series(service, typ string, id warehouse.SeriesID, first, last warehouse.Micros) error {
	x := b.x
	from, err := b.offset(first)
	if err != nil {
		return err
	}
	to, err := b.offset(last)
	if err != nil {
		return err
	}
	order := 1 // of the series relative to the one before
	if n := len(x.datasets); n > 0 {
		d := &x.datasets[n-1]
		order = cmp.Or(strings.Compare(service, d.service), strings.Compare(typ, d.typ), 2*cmp.Compare(id, x.series[len(x.series)-1].id))
	}
	switch {
	case order <= 0:
		return warehouse.Errorf(warehouse.Corrupt, "series %d of service %q, type %q is not in its place", id, service, typ)
	case order == 1:
		n := int32(len(x.series))
		x.datasets = append(x.datasets, indexedDataset{datasetName{strings.Clone(service), strings.Clone(typ)}, n, n})
	}
	x.series = append(x.series, indexedSeries{id: id, first: from, last: to})
	x.datasets[len(x.datasets)-1].to++
	return nil
}

func (b *indexBuilder) offset(t warehouse.Micros) (uint32, error) {
	h := b.x.part.Hour
	if t < h.Start() || t >= h.End() {
		return 0, warehouse.Errorf(warehouse.Corrupt, "a profile of %s lies outside the hour %s", t, h)
	}
	return uint32(t - h.Start()), nil
}

func (b *indexBuilder) finish() *seriesIndex { return b.x }
