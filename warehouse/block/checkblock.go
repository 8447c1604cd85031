package block

import (
	"context"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// The names of what CheckBlock finds besides those of CheckPart. Programs rely on
// them.
const (
	CheckMeta      = "meta.json"     // it can be read, and is of a version that this program reads
	CheckMetaPlace = "meta.place"    // the folder is that of the tenant, hour and id in it
	CheckMetaFiles = "meta.files"    // the folder holds the files that it names, and no others
	CheckMetaForm  = "meta.form"     // its bytes are those that its content gives
	CheckMetaLevel = "meta.level"    // it is that of a block
	CheckSources   = "meta.sources"  // it names what the block was made of, not itself, each once
	CheckDefined   = "partition.ids" // every id in a dataset partition is defined in a live part of it
)

// Files is the bucket as checks need it: warehouse/object has it.
type Files interface {
	// Read returns n bytes from off, or all up to the end if n < 0. A missing file
	// is a NotFound error.
	Read(ctx context.Context, name string, off, n int64) ([]byte, error)
}

// Entry is a file in a block's folder.
type Entry struct {
	Name string // in the folder
	Size int64
}

// CheckBlock verifies a block: meta.json, the folder that it stands in, and all
// that [CheckPart] does. The folder's name is relative to the bucket. The part that
// meta.json describes is returned if it can be read. An error is one of the bucket.
func CheckBlock(ctx context.Context, files Files, dir string, entries []Entry, r *warehouse.Report) (*warehouse.Part, error) {
	data, err := files.Read(ctx, path.Join(dir, MetaName), 0, -1)
	if err != nil && warehouse.KindOf(err) != warehouse.NotFound {
		return nil, err
	}
	c := partChecker{object: dir, report: r}
	r.Checks++
	if err != nil {
		c.addf(CheckMeta, 0, "", warehouse.NoRow, "%v", err)
		return nil, nil
	}
	p, sources, err := DecodeMeta(data)
	if err != nil {
		c.addf(CheckMeta, 0, "", warehouse.NoRow, "%v", err)
		return nil, nil
	}
	c.part = p
	c.checkMeta(data, sources)
	c.checkFolder(entries)
	return p, CheckPart(p, dir, func(t warehouse.Table) ([]byte, error) {
		return files.Read(ctx, path.Join(dir, TableName(t)), 0, -1)
	}, r)
}

// checkMeta checks what meta.json says without the tables.
func (c *partChecker) checkMeta(data []byte, sources []warehouse.ObjectID) {
	p := c.part
	c.report.Checks += 4
	if p.Level == warehouse.LevelSegment {
		c.addf(CheckMetaLevel, 0, "", warehouse.NoRow, "its level is %d, which is that of segments", p.Level)
	} else if want := BlockDir(p); want != c.object && strings.HasPrefix(c.object, BlockPrefix) {
		c.addf(CheckMetaPlace, 0, "", warehouse.NoRow, "it describes %s", want)
	}
	if again, err := EncodeMeta(p, sources); err != nil || string(again) != string(data) {
		c.addf(CheckMetaForm, 0, "", warehouse.NoRow, "its %d bytes are not those that its content gives", len(data))
	}
	sorted := slices.SortedFunc(slices.Values(sources), warehouse.ObjectID.Compare)
	if len(slices.Compact(sorted)) != len(sources) || slices.Contains(sources, p.Object) {
		c.addf(CheckSources, 0, "", warehouse.NoRow, "one is named twice, or is the block itself")
	}
}

// checkFolder compares the files that are there with those that are described.
func (c *partChecker) checkFolder(entries []Entry) {
	for _, e := range entries {
		c.report.Checks++
		if e.Name == MetaName {
			continue
		}
		described := slices.ContainsFunc(c.part.Sections, func(s warehouse.Section) bool { return TableName(s.Table) == e.Name })
		if !described {
			c.addf(CheckMetaFiles, 0, "", warehouse.NoRow, "the folder holds %s, which meta.json does not name", shownText(e.Name))
		}
	}
}

// CheckPartition verifies that every series and stacktrace id in samples and
// profiles of a dataset partition is defined in some part of it. The parts are all
// live ones of one tenant and hour; read gives their tables, and an object whose
// table is missing or damaged is left to [CheckPart].
//
// It costs the memory of one table and of the ids of all definitions of the hour,
// once for each service of their part. An error is one of read.
func CheckPartition(parts []*warehouse.Part, read func(p *warehouse.Part, t warehouse.Table) ([]byte, error), r *warehouse.Report) error {
	c := partitionChecker{report: r, read: read, defined: map[string]*definedIDs{}}
	for _, p := range parts {
		if err := c.define(p); err != nil {
			return err
		}
	}
	for _, p := range parts {
		if err := c.use(p); err != nil {
			return err
		}
	}
	return nil
}

// definedIDs are the ids that a service's parts define.
type definedIDs struct {
	series map[warehouse.SeriesID]struct{}
	stacks map[warehouse.StacktraceID]struct{}
}

type partitionChecker struct {
	report  *warehouse.Report
	read    func(p *warehouse.Part, t warehouse.Table) ([]byte, error)
	defined map[string]*definedIDs // by service
}

// table returns a table of a part, nil if it has none that can be read.
func (c *partitionChecker) table(p *warehouse.Part, t warehouse.Table) ([]byte, error) {
	if _, ok := p.Section(t); !ok {
		return nil, nil
	}
	data, err := c.read(p, t)
	switch warehouse.KindOf(err) {
	case warehouse.NotFound, warehouse.Corrupt:
		c.report.Skip(CheckDefined)
		return nil, nil
	}
	return data, err
}

// define notes what a part defines, for each of its services.
func (c *partitionChecker) define(p *warehouse.Part) error {
	var all []*definedIDs
	for i := range p.Datasets {
		name := p.Datasets[i].Service
		if c.defined[name] == nil {
			c.defined[name] = &definedIDs{map[warehouse.SeriesID]struct{}{}, map[warehouse.StacktraceID]struct{}{}}
		}
		all = append(all, c.defined[name])
	}
	data, err := c.table(p, warehouse.TableSeries)
	if err != nil {
		return err
	}
	if data != nil {
		c.skip(ReadSeries(data, func(s warehouse.Series) error {
			for _, d := range all {
				d.series[s.ID] = struct{}{}
			}
			return nil
		}))
	}
	if data, err = c.table(p, warehouse.TableStacktraces); err != nil || data == nil {
		return err
	}
	ids := tables[warehouse.TableStacktraces].leafIndex("stacktrace_id")
	c.skip(readTable(data, warehouse.TableStacktraces, func(columns []columnValues, rows int) error {
		for _, id := range columns[ids].ints[:rows] {
			for _, d := range all {
				d.stacks[warehouse.StacktraceID(id)] = struct{}{}
			}
		}
		return nil
	}))
	return nil
}

// skip notes a file that cannot be read.
func (c *partitionChecker) skip(err error) {
	if err != nil {
		c.report.Skip(CheckDefined)
	}
}

// use looks the ids of a part's facts up.
func (c *partitionChecker) use(p *warehouse.Part) error {
	row := int64(0)
	miss := func(t warehouse.Table, column, service string, id int64) {
		c.report.Add(warehouse.Finding{
			Check: CheckDefined, Object: objectOf(p), Table: t.String(), Row: row, Column: column,
			Text: strings.Join([]string{"no live object of ", string(p.Tenant), ", ", p.Hour.String(), ", service ", shownText(service), " defines ", strconv.FormatInt(id, 10)}, ""),
		})
	}
	data, err := c.table(p, warehouse.TableProfiles)
	if err != nil {
		return err
	}
	if data != nil {
		c.skip(ReadProfiles(data, func(x ProfileRow) error {
			c.report.Checks++
			if d := c.defined[x.Service]; d == nil || !has(d.series, x.Series) {
				miss(warehouse.TableProfiles, "series_id", x.Service, int64(x.Series))
			}
			row++
			return nil
		}))
	}
	if data, err = c.table(p, warehouse.TableSamples); err != nil || data == nil {
		return err
	}
	row = 0
	c.skip(ReadSamples(data, func(x SampleRow) error {
		c.report.Checks += 2
		c.report.Rows++
		d := c.defined[x.Service]
		if d == nil || !has(d.series, x.Series) {
			miss(warehouse.TableSamples, "series_id", x.Service, int64(x.Series))
		}
		if d == nil || !has(d.stacks, x.Stacktrace) {
			miss(warehouse.TableSamples, "stacktrace_id", x.Service, int64(x.Stacktrace))
		}
		row++
		return nil
	}))
	return nil
}

func has[K comparable](set map[K]struct{}, k K) bool {
	_, ok := set[k]
	return ok
}

// objectOf returns the name under which a part is reported.
func objectOf(p *warehouse.Part) string {
	if p.Level == warehouse.LevelSegment {
		return SegmentName(p.Shard, p.Object)
	}
	return BlockDir(p)
}
