package main

import (
	"cmp"
	"context"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// definitions checks, hour by hour, that every id is defined in a live object of its
// dataset partition. Without an index, everything in the bucket counts as live.
func (c *objectChecker) definitions(ctx context.Context, s *store, f *filterFlags) error {
	parts, sure, err := c.liveParts(ctx, s)
	if err != nil {
		return err
	}
	parts = slices.DeleteFunc(parts, func(p *warehouse.Part) bool { return !f.place(p.Tenant, p.Hour) })
	slices.SortStableFunc(parts, comparePlaces)
	var r warehouse.Report
	hours := 0
	for from := 0; from < len(parts); {
		to := from + 1
		for to < len(parts) && comparePlaces(parts[from], parts[to]) == 0 {
			to++
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := block.CheckPartition(parts[from:to], sectionsOf(ctx, s), &r); err != nil {
			return err
		}
		hours++
		from = to
	}
	if n := r.Skipped[block.CheckDefined]; n > 0 && sure {
		r.Add(warehouse.Finding{
			Check: metastore.CheckObjectMissing, Object: "definitions", Row: warehouse.NoRow,
			Text: fmt.Sprintf("%s of live objects missing or damaged: \"stackhouse metastore check --deep\" tells which", plural(n, "table")),
		})
	}
	c.nChecked-- // it is no object
	c.result("definitions", fmt.Sprintf("%s of %s", plural(hours, "hour"), plural(len(parts), "part")), 0, &r)
	return nil
}

func comparePlaces(a, b *warehouse.Part) int {
	return cmp.Or(strings.Compare(string(a.Tenant), string(b.Tenant)), cmp.Compare(a.Hour, b.Hour))
}

// sectionsOf reads sections from a bucket and verifies their checksums.
func sectionsOf(ctx context.Context, s *store) func(p *warehouse.Part, t warehouse.Table) ([]byte, error) {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	return func(p *warehouse.Part, t warehouse.Table) ([]byte, error) {
		x, _ := p.Section(t)
		data, err := s.bucket.Read(ctx, block.SectionName(p, t), x.Offset, x.Size)
		if err == nil && crc32.Checksum(data, castagnoli) != x.CRC {
			err = warehouse.Errorf(warehouse.Corrupt, "read %s: its checksum is wrong", block.SectionName(p, t))
		}
		return data, err
	}
}

// liveParts returns the parts that the index has, for sure, or else those of all
// objects.
func (c *objectChecker) liveParts(ctx context.Context, s *store) (parts []*warehouse.Part, sure bool, err error) {
	known, err := c.known(ctx, s)
	if err != nil {
		return nil, false, err
	}
	if known.offline != nil {
		eachPart(known.offline.View.Describe(), &filterFlags{}, func(p *warehouse.Part) { parts = append(parts, p) })
		return parts, true, nil
	}
	if err := eachBlock(ctx, s.bucket, block.BlockPrefix, func(b *storedBlock) error {
		if b.part != nil {
			parts = append(parts, b.part)
		}
		return nil
	}); err != nil {
		return nil, false, err
	}
	err = s.bucket.List(ctx, block.SegmentPrefix, func(a object.Attrs) error {
		seg, err := readStored(ctx, s.bucket, a)
		if err != nil {
			return nil //nolint:nilerr // segment check tells
		}
		for i := range seg.Parts {
			parts = append(parts, &seg.Parts[i])
		}
		return nil
	})
	return parts, false, err
}
