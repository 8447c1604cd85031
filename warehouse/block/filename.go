package block

import (
	"path"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Folders and endings of stored objects. Names are relative to the bucket and
// use forward slashes.
const (
	SegmentPrefix = "segments/" // segments/<shard>/<ulid>.seg
	BlockPrefix   = "blocks/"   // blocks/<tenant>/<yyyy-mm-dd>/<hh|day>/<ulid>/
	MetaName      = "meta.json" // beside a block's tables

	segmentSuffix = ".seg"
	tableSuffix   = ".parquet"
	dayFolder     = "day"
)

// DayLevel is the level of blocks that hold a day's definitions and rollups;
// their folder is "day" instead of an hour.
const DayLevel = 4

// SegmentName returns the name of a segment's object.
func SegmentName(shard uint32, id warehouse.ObjectID) string {
	return SegmentPrefix + strconv.FormatUint(uint64(shard), 10) + "/" + id.String() + segmentSuffix
}

// ParseSegmentName is the inverse of [SegmentName]; ok is false for any other
// name, also for one that differs only in spelling.
func ParseSegmentName(name string) (shard uint32, id warehouse.ObjectID, ok bool) {
	rest, found := strings.CutPrefix(name, SegmentPrefix)
	folder, file, two := strings.Cut(rest, "/")
	text, suffixed := strings.CutSuffix(file, segmentSuffix)
	n, err := strconv.ParseUint(folder, 10, 32)
	id, idErr := ulid.ParseStrict(text)
	if !found || !two || !suffixed || err != nil || idErr != nil {
		return 0, warehouse.ObjectID{}, false
	}
	shard = uint32(n)
	return shard, id, SegmentName(shard, id) == name
}

// ParseName returns the id in the name of an object: of a segment, or of a file of
// a block. ok is false for any other name.
func ParseName(name string) (id warehouse.ObjectID, ok bool) {
	if _, id, ok := ParseSegmentName(name); ok {
		return id, true
	}
	parts := strings.Split(name, "/")
	if len(parts) != blockNameParts || parts[0]+"/" != BlockPrefix {
		return warehouse.ObjectID{}, false
	}
	id, err := ulid.ParseStrict(parts[blockNameParts-2])
	if err != nil || id.String() != parts[blockNameParts-2] {
		return warehouse.ObjectID{}, false
	}
	return id, true
}

// blockNameParts is the number of names between slashes: blocks, tenant, day, hour,
// id and file.
const blockNameParts = 6

// BlockDir returns the folder of a block's objects, without a final slash.
func BlockDir(p *warehouse.Part) string {
	day, hour, _ := strings.Cut(p.Hour.String(), "T")
	if p.Level >= DayLevel {
		hour = dayFolder
	}
	return BlockPrefix + string(p.Tenant) + "/" + day + "/" + hour + "/" + p.Object.String()
}

// TableName returns the file name of a table in a block's folder.
func TableName(t warehouse.Table) string { return t.String() + tableSuffix }

// SectionName returns the name of the object that holds the part's section of
// the table: the segment at level 0, a file of its own above.
func SectionName(p *warehouse.Part, t warehouse.Table) string {
	if p.Level == 0 {
		return SegmentName(p.Shard, p.Object)
	}
	return path.Join(BlockDir(p), TableName(t))
}

// ObjectNames returns the names of all objects that hold the part, to delete
// them: the segment (which other parts share), or the tables and meta.json.
func ObjectNames(p *warehouse.Part) []string {
	if p.Level == 0 {
		return []string{SegmentName(p.Shard, p.Object)}
	}
	dir := BlockDir(p)
	names := make([]string, 0, len(p.Sections)+1)
	for _, s := range p.Sections {
		names = append(names, path.Join(dir, TableName(s.Table)))
	}
	return append(names, path.Join(dir, MetaName))
}
