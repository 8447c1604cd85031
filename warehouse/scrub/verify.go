package scrub

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/cache"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
	"github.com/stackhouse-db/stackhouse/warehouse/segment"
)

// footerBytes is how much of a segment's end is read at first: most footers are
// smaller.
const footerBytes = 64 << 10

// found is damage of a part's table, or of the whole object's description.
type found struct {
	part  *warehouse.Part
	table warehouse.Table // 0 for the description
	warehouse.Damage
}

// verifier compares one object with the index.
type verifier struct {
	bucket object.Bucket
	pause  func(ctx context.Context, n int64) error // called when n bytes were read

	found []found
}

// verify compares everything of an object with the index. Errors are those of the
// bucket, and of ctx: they say nothing about the object.
func (v *verifier) verify(ctx context.Context, t *target) error {
	if t.parts[0].Level == warehouse.LevelSegment {
		return v.segment(ctx, t)
	}
	for _, p := range t.parts {
		if err := v.block(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// read reads a piece of an object.
func (v *verifier) read(ctx context.Context, name string, off, n int64) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	data, err := v.bucket.Read(ctx, name, off, n)
	switch {
	case warehouse.KindOf(err) == warehouse.NotFound: // it was there a moment ago
		data = nil
	case err != nil:
		return nil, err
	}
	return data, v.pause(ctx, int64(len(data)))
}

// size returns an object's size, -1 if it does not exist. Who reads it from now on
// reads what the disk has.
func (v *verifier) size(ctx context.Context, name string) (int64, error) {
	attrs, err := v.bucket.Stat(ctx, name)
	switch {
	case warehouse.KindOf(err) == warehouse.NotFound:
		return -1, nil
	case err != nil:
		return 0, err
	}
	if file, ok := v.bucket.LocalPath(name); ok {
		object.DropPages(file)
	}
	return attrs.Size, nil
}

// segment compares the sections of all live parts, and the footer.
func (v *verifier) segment(ctx context.Context, t *target) error {
	name := block.SegmentName(t.parts[0].Shard, t.id)
	size, err := v.size(ctx, name)
	if err != nil {
		return err
	}
	var claims []claim
	for _, p := range t.parts {
		for _, s := range p.Sections {
			claims = append(claims, claim{p, s})
		}
	}
	if size < 0 {
		v.missing(claims)
		v.description(t.parts[0], name, 0, 0, "no object")
		return nil
	}
	slices.SortFunc(claims, func(a, b claim) int { return cmp.Compare(a.Offset, b.Offset) })
	if err := v.compare(ctx, name, claims, v.differs); err != nil {
		return err
	}
	return v.footer(ctx, t, name, size)
}

func (v *verifier) missing(claims []claim) {
	for _, c := range claims {
		v.differs(c, "an object", "no object")
	}
}

func (v *verifier) differs(c claim, expected, what string) {
	v.found = append(v.found, found{c.part, c.Table, *cache.DamageOf(c.part, c.Section, expected, what)})
}

// description notes that what an object says about itself is damaged.
func (v *verifier) description(p *warehouse.Part, name string, off, size int64, what string) {
	d := warehouse.Damage{Object: name, What: "footer", Offset: off, Size: size, Expected: "the description that the index has", Found: what}
	if p.Level != warehouse.LevelSegment {
		d.What = "description"
	}
	v.found = append(v.found, found{p, 0, d})
}

// footer compares what a segment says about its live parts with the index.
func (v *verifier) footer(ctx context.Context, t *target, name string, size int64) error {
	n := min(size, footerBytes)
	end, err := v.read(ctx, name, size-n, n)
	if err != nil {
		return err
	}
	need, err := segment.FooterSize(end, size)
	if err == nil && need > int64(len(end)) {
		if end, err = v.read(ctx, name, size-need, need); err != nil {
			return err
		}
	}
	var seg *warehouse.Segment
	if err == nil {
		seg, err = segment.DecodeFooter(end, size)
	}
	if err == nil {
		err = agree(seg, t)
	}
	if err != nil {
		need = min(max(need, segment.TailSize), size)
		v.description(t.parts[0], name, size-need, need, err.Error())
	}
	return nil
}

// agree compares a segment's footer with the index.
func agree(seg *warehouse.Segment, t *target) error {
	if seg.ID != t.id {
		return fmt.Errorf("it is of segment %s", seg.ID)
	}
	byPlace := make(map[place]*warehouse.Part, len(seg.Parts))
	for i := range seg.Parts {
		p := &seg.Parts[i]
		byPlace[place{tenant: p.Tenant, hour: p.Hour}] = p
	}
	for _, p := range t.parts {
		if own := byPlace[place{tenant: p.Tenant, hour: p.Hour}]; own == nil || !isSame(own, p) {
			return fmt.Errorf("another description of %s %s", p.Tenant, p.Hour)
		}
	}
	return nil
}

// isSame compares what does not change of two descriptions of a part.
func isSame(a, b *warehouse.Part) bool {
	return a.Object == b.Object && a.Level == b.Level && a.Shard == b.Shard && a.Format == b.Format &&
		a.Tenant == b.Tenant && a.Hour == b.Hour && a.Range == b.Range && slices.Equal(a.Sections, b.Sections) &&
		slices.EqualFunc(a.Datasets, b.Datasets, func(x, y warehouse.Dataset) bool {
			return x.Service == y.Service && x.Profiles == y.Profiles && slices.Equal(x.Types, y.Types)
		})
}

// block compares the files of a block.
func (v *verifier) block(ctx context.Context, p *warehouse.Part) error {
	for _, s := range p.Sections {
		if err := v.table(ctx, claim{p, s}); err != nil {
			return err
		}
	}
	name := path.Join(block.BlockDir(p), block.MetaName)
	size, err := v.size(ctx, name)
	if err != nil {
		return err
	}
	if size < 0 {
		v.description(p, name, 0, 0, "no object")
		return nil
	}
	data, err := v.read(ctx, name, 0, size)
	if err != nil {
		return err
	}
	own, _, err := block.DecodeMeta(data)
	switch {
	case err != nil:
		v.description(p, name, 0, size, err.Error())
	case !isSame(own, p):
		v.description(p, name, 0, size, "another description")
	}
	return nil
}

// table compares the file of a block's table.
func (v *verifier) table(ctx context.Context, c claim) error {
	name := block.SectionName(c.part, c.Table)
	size, err := v.size(ctx, name)
	switch {
	case err != nil:
		return err
	case size < 0:
		v.missing([]claim{c})
		return nil
	case size != c.Size:
		v.differs(c, fmt.Sprintf("%d bytes", c.Size), fmt.Sprintf("%d bytes", size))
		return nil
	}
	return v.compare(ctx, name, []claim{c}, v.differs)
}
