package metastore

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"path"
	"slices"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
	container "github.com/stackhouse-db/stackhouse/warehouse/segment"
)

// The names of what CheckBucket finds. Programs rely on them.
const (
	CheckObjectMissing     = "object.missing"     // every live object is in the bucket, with all its files
	CheckObjectSize        = "object.size"        // they have the sizes that the index says
	CheckObjectChecksum    = "object.checksum"    // and the checksums
	CheckObjectDescription = "object.description" // the object says of itself what the index says
)

// BucketReport is what a bucket holds beside an index.
type BucketReport struct {
	Objects int   // live ones
	Files   int   // of them
	Bytes   int64 // of their sections
	Orphans []FoundObject
	Dead    []FoundObject // they have a tombstone and are still there
}

// FoundObject is an object in a bucket.
type FoundObject struct {
	ID    warehouse.ObjectID
	Name  string // of the first of its files
	Files int
	Bytes int64
}

// CheckBucket compares the state with the bucket: every live object must be there
// with the sizes that the index says, and if deep with the checksums and the
// description. What nobody knows and what is dead and not deleted yet is listed:
// both are normal, and deleted in time. An error is of the bucket.
func (o *Offline) CheckBucket(ctx context.Context, b object.Bucket, deep bool) (*BucketReport, error) {
	if o.View == nil {
		return nil, warehouse.Errorf(warehouse.Corrupt, "check bucket: the state of %s is not known", o.Path)
	}
	c := &bucketCheck{Offline: o, bucket: b, deep: deep, out: &BucketReport{}, sizes: map[string]int64{}, live: map[warehouse.ObjectID]bool{}}
	if err := b.List(ctx, "", func(a object.Attrs) error { return c.listed(ctx, a) }); err != nil {
		return nil, err
	}
	for _, t := range o.View.Describe().Tenants {
		for _, h := range t.Hours {
			for _, p := range h.Parts {
				if err := c.part(ctx, p); err != nil {
					return nil, err
				}
			}
		}
	}
	c.out.Objects = len(c.live)
	c.strangers()
	return c.out, nil
}

// bucketCheck is one run of CheckBucket.
type bucketCheck struct {
	*Offline
	bucket object.Bucket
	deep   bool
	out    *BucketReport
	sizes  map[string]int64 // of the bucket's files, by name
	live   map[warehouse.ObjectID]bool
}

// listed notes a file. A listing may leave out how large it is.
func (c *bucketCheck) listed(ctx context.Context, a object.Attrs) error {
	if a.Size < 0 {
		var err error
		a, err = c.bucket.Stat(ctx, a.Name)
		switch {
		case warehouse.KindOf(err) == warehouse.NotFound:
			return nil // it was deleted meanwhile
		case err != nil:
			return err
		}
	}
	c.sizes[a.Name] = a.Size
	return nil
}

// file checks that a file is there and has its size; want is exact, or the least.
func (c *bucketCheck) file(name string, want int64, exact bool) bool {
	c.Report.Checks += 2
	size, ok := c.sizes[name]
	switch {
	case !ok:
		c.addf(CheckObjectMissing, name, "it is live and not in the bucket")
		return false
	case exact && size != want, size < want:
		c.addf(CheckObjectSize, name, "it has %d bytes, the index says %d", size, want)
		return false
	}
	c.out.Files++
	return true
}

// part checks the files of a part. Those of a segment are one, which is looked at
// for each part.
func (c *bucketCheck) part(ctx context.Context, p *warehouse.Part) error {
	c.live[p.Object] = true
	c.out.Bytes += p.SizeBytes()
	whole := true
	if p.Level == warehouse.LevelSegment {
		var end int64
		for _, s := range p.Sections {
			end = max(end, s.Offset+s.Size)
		}
		whole = c.file(block.SegmentName(p.Shard, p.Object), end+container.TailSize, false)
	} else {
		for _, s := range p.Sections {
			whole = c.file(block.SectionName(p, s.Table), s.Size, true) && whole
		}
		whole = c.file(path.Join(block.BlockDir(p), block.MetaName), 1, false) && whole
	}
	if !whole || !c.deep {
		return nil
	}
	for _, s := range p.Sections {
		if err := c.section(ctx, p, s); err != nil {
			return err
		}
	}
	return c.description(ctx, p)
}

func (c *bucketCheck) section(ctx context.Context, p *warehouse.Part, s warehouse.Section) error {
	name := block.SectionName(p, s.Table)
	data, err := c.bucket.Read(ctx, name, s.Offset, s.Size)
	switch {
	case warehouse.KindOf(err) == warehouse.NotFound:
		c.addf(CheckObjectMissing, name, "it disappeared during the check")
		return nil
	case err != nil:
		return err
	}
	c.Report.Checks++
	if got := crc32.Checksum(data, castagnoli); got != s.CRC {
		c.Report.Add(warehouse.Finding{
			Check: CheckObjectChecksum, Object: name, Table: s.Table.String(), Row: warehouse.NoRow,
			Text: fmt.Sprintf("%d bytes at %d have checksum %08x, the index says %08x", len(data), s.Offset, got, s.CRC),
		})
	}
	return nil
}

// description compares what the object says of itself.
func (c *bucketCheck) description(ctx context.Context, p *warehouse.Part) error {
	name, read := path.Join(block.BlockDir(p), block.MetaName), c.readMeta
	if p.Level == warehouse.LevelSegment {
		name, read = block.SegmentName(p.Shard, p.Object), c.readFooter
	}
	parts, err := read(ctx, name)
	switch {
	case warehouse.KindOf(err) == warehouse.Corrupt, warehouse.KindOf(err) == warehouse.NotFound:
		c.addf(CheckObjectDescription, name, "%v", err)
		return nil
	case err != nil:
		return err
	}
	c.Report.Checks++
	i := slices.IndexFunc(parts, func(q warehouse.Part) bool { return q.Tenant == p.Tenant && q.Hour == p.Hour })
	if i < 0 || !samePart(&parts[i], p) {
		c.addf(CheckObjectDescription, name, "what it says of %s %s is not what the index says", p.Tenant, p.Hour)
	}
	return nil
}

func (c *bucketCheck) readMeta(ctx context.Context, name string) ([]warehouse.Part, error) {
	data, err := c.bucket.Read(ctx, name, 0, -1)
	if err != nil {
		return nil, err
	}
	p, _, err := block.DecodeMeta(data)
	if err != nil {
		return nil, err
	}
	return []warehouse.Part{*p}, nil
}

func (c *bucketCheck) readFooter(ctx context.Context, name string) ([]warehouse.Part, error) {
	size := c.sizes[name]
	tail, err := c.bucket.Read(ctx, name, max(size-container.TailSize, 0), -1)
	if err != nil {
		return nil, err
	}
	n, err := container.FooterSize(tail, size)
	if err != nil {
		return nil, err
	}
	end, err := c.bucket.Read(ctx, name, size-n, -1)
	if err != nil {
		return nil, err
	}
	seg, err := container.DecodeFooter(end, size)
	if err != nil {
		return nil, err
	}
	return seg.Parts, nil
}

// samePart compares by bytes: every description has one form.
func samePart(a, b *warehouse.Part) bool {
	return bytes.Equal(warehouse.AppendPart(nil, a), warehouse.AppendPart(nil, b))
}

// strangers lists what is in the bucket and not live.
func (c *bucketCheck) strangers() {
	dead := map[warehouse.ObjectID]bool{}
	for _, t := range c.View.Tombstones() {
		dead[t.Part.Object] = true
	}
	found := map[warehouse.ObjectID]*FoundObject{}
	for name, size := range c.sizes {
		f, ok := parseObject(name)
		if !ok || c.live[f.ID] {
			continue
		}
		x := found[f.ID]
		if x == nil {
			x = &FoundObject{ID: f.ID, Name: name}
			found[f.ID] = x
		}
		x.Name = min(x.Name, name)
		x.Files++
		x.Bytes += size
	}
	for id, x := range found {
		if dead[id] {
			c.out.Dead = append(c.out.Dead, *x)
		} else {
			c.out.Orphans = append(c.out.Orphans, *x)
		}
	}
	for _, list := range [][]FoundObject{c.out.Dead, c.out.Orphans} {
		slices.SortFunc(list, func(a, b FoundObject) int { return strings.Compare(a.Name, b.Name) })
	}
}
