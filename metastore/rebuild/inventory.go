package rebuild

import (
	"context"
	"path"
	"slices"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// segmentFile is a segment in the bucket.
type segmentFile struct {
	id   warehouse.ObjectID
	name string
	size int64 // -1: the listing does not say
}

// blockFolder is what the bucket has of a block.
type blockFolder struct {
	id    warehouse.ObjectID
	dir   string
	sizes map[string]int64 // by name; -1: the listing does not say
}

// inventory is what the bucket has.
type inventory struct {
	segments map[warehouse.ObjectID]segmentFile
	blocks   map[warehouse.ObjectID]*blockFolder
	files    int
	bytes    int64
	newest   time.Time // of all ids
}

// take lists the bucket.
func takeInventory(ctx context.Context, b object.Bucket, progress func(string, int, int)) (*inventory, error) {
	v := &inventory{segments: map[warehouse.ObjectID]segmentFile{}, blocks: map[warehouse.ObjectID]*blockFolder{}}
	for _, prefix := range []string{block.SegmentPrefix, block.BlockPrefix} {
		err := b.List(ctx, prefix, func(a object.Attrs) error {
			v.add(a)
			progress("listed", v.files, 0)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (v *inventory) add(a object.Attrs) {
	id, ok := block.ParseName(a.Name)
	if !ok {
		return
	}
	v.files++
	v.bytes += max(a.Size, 0)
	if at := time.UnixMilli(int64(id.Time())); at.After(v.newest) {
		v.newest = at
	}
	if _, _, ok := block.ParseSegmentName(a.Name); ok {
		v.segments[id] = segmentFile{id: id, name: a.Name, size: a.Size}
		return
	}
	f := v.blocks[id]
	if f == nil {
		f = &blockFolder{id: id, dir: path.Dir(a.Name), sizes: map[string]int64{}}
		v.blocks[id] = f
	}
	f.sizes[a.Name] = a.Size
}

// fault returns what the bucket does not have of a part, empty if it has all of it.
// What a block's meta.json says is in the index.
func (v *inventory) fault(p *warehouse.Part) string {
	if p.Level == warehouse.LevelSegment {
		f, ok := v.segments[p.Object]
		switch {
		case !ok || f.name != block.SegmentName(p.Shard, p.Object):
			return whyMissing
		case f.size >= 0 && f.size < endOf(p):
			return "it is shorter than the index says"
		}
		return ""
	}
	f := v.blocks[p.Object]
	if f == nil || f.dir != block.BlockDir(p) {
		return whyMissing
	}
	for _, s := range p.Sections {
		size, ok := f.sizes[block.SectionName(p, s.Table)]
		switch {
		case !ok:
			return whyMissing
		case size >= 0 && size != s.Size:
			return "a file of it has not the size that the index says"
		}
	}
	return ""
}

func endOf(p *warehouse.Part) (end int64) {
	for _, s := range p.Sections {
		end = max(end, s.Offset+s.Size)
	}
	return end
}

// name returns a name for what the bucket has of an object.
func (v *inventory) name(id warehouse.ObjectID) string {
	if f, ok := v.segments[id]; ok {
		return f.name
	}
	if f, ok := v.blocks[id]; ok {
		return f.dir
	}
	return id.String()
}

// sortedIDs returns the keys of a map in their order, which is about that in which
// objects were made.
func sortedIDs[V any](m map[warehouse.ObjectID]V) []warehouse.ObjectID {
	ids := make([]warehouse.ObjectID, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b warehouse.ObjectID) int { return a.Compare(b) })
	return ids
}
