package backup

import (
	"bytes"
	"hash/crc32"
	"slices"

	"github.com/stackhouse-db/stackhouse/metastore/manifest"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/segment"
)

// content is a file that a state names, and the parts that are in it.
type content struct {
	name  string
	table warehouse.Table // of a block; 0: a segment, or meta.json
	parts []*warehouse.Part
	size  int64 // as far as the state says: 0 is not known
}

// contentsOf returns the files of everything live in a manifest, by name.
func contentsOf(m *manifest.Manifest) []*content {
	byName := map[string]*content{}
	add := func(p *warehouse.Part, name string, table warehouse.Table, size int64) {
		c := byName[name]
		if c == nil {
			c = &content{name: name, table: table}
			byName[name] = c
		}
		c.parts = append(c.parts, p)
		c.size += size
	}
	m.State.View().EachPart(func(p *warehouse.Part) {
		if p.Level == warehouse.LevelSegment {
			add(p, block.SegmentName(p.Shard, p.Object), 0, p.SizeBytes())
			return
		}
		for _, s := range p.Sections {
			add(p, block.SectionName(p, s.Table), s.Table, s.Size)
		}
		names := block.ObjectNames(p)
		add(p, names[len(names)-1], 0, 0) // meta.json
	})
	all := make([]*content, 0, len(byName))
	for _, c := range byName {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *content) int { return bytes.Compare([]byte(a.name), []byte(b.name)) })
	return all
}

// check verifies the bytes of a file against what the index says. Errors are
// Corrupt.
func (c *content) check(data []byte) error {
	p := c.parts[0]
	var err error
	switch {
	case p.Level == warehouse.LevelSegment:
		err = c.checkSegment(data)
	case c.table != 0:
		s, _ := p.Section(c.table)
		if int64(len(data)) != s.Size || segment.Checksum(data) != s.CRC {
			err = warehouse.Errorf(warehouse.Corrupt, "it has %d bytes with checksum %08x, the index says %d with %08x", len(data), segment.Checksum(data), s.Size, s.CRC)
		}
	default:
		err = checkMeta(p, data)
	}
	if err != nil {
		return warehouse.Errorf(warehouse.Corrupt, "%s: %w", c.name, err)
	}
	return nil
}

// checkSegment verifies a segment by its footer, down to each section, and that the
// index means the same bytes.
func (c *content) checkSegment(data []byte) error {
	seg, err := segment.Decode(data)
	if err != nil {
		return err
	}
	for i := range seg.Parts {
		for _, s := range seg.Parts[i].Sections {
			if _, err := segment.Section(data, &seg.Parts[i], s.Table); err != nil {
				return err
			}
		}
	}
	for _, p := range c.parts {
		for _, s := range p.Sections {
			if _, err := segment.Section(data, p, s.Table); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkMeta verifies that a meta.json says what the index says.
func checkMeta(p *warehouse.Part, data []byte) error {
	got, _, err := block.DecodeMeta(data)
	if err != nil {
		return err
	}
	if !bytes.Equal(warehouse.AppendPart(nil, got), warehouse.AppendPart(nil, p)) {
		return warehouse.Errorf(warehouse.Corrupt, "it does not say what the index says")
	}
	return nil
}

func fileOf(name string, data []byte) File {
	return File{Name: name, Size: int64(len(data)), CRC: crc32.Checksum(data, castagnoli)}
}
