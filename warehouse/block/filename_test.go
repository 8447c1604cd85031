package block

import (
	"testing"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func TestNames(t *testing.T) {
	t.Parallel()
	id := ulid.MustParseStrict("01JZZZZZZZ0123456789ABCDEF")
	part := func(level uint8) *warehouse.Part {
		return &warehouse.Part{
			Object: id, Level: level, Shard: 7, Tenant: "acme", Hour: warehouse.Hour(488_888),
			Sections: []warehouse.Section{{Table: warehouse.TableSamples}, {Table: warehouse.TableSeries}},
		}
	}
	const dir = "blocks/acme/2025-10-09/"
	tests := []struct {
		name    string
		part    *warehouse.Part
		section string
		objects []string
	}{
		{"segment", part(0), "segments/7/" + id.String() + ".seg", []string{"segments/7/" + id.String() + ".seg"}},
		{"block of an hour", part(1), dir + "08/" + id.String() + "/series.parquet", []string{
			dir + "08/" + id.String() + "/samples.parquet", dir + "08/" + id.String() + "/series.parquet", dir + "08/" + id.String() + "/meta.json",
		}},
		{"block of a day", part(DayLevel), dir + "day/" + id.String() + "/series.parquet", []string{
			dir + "day/" + id.String() + "/samples.parquet", dir + "day/" + id.String() + "/series.parquet", dir + "day/" + id.String() + "/meta.json",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.section, SectionName(tt.part, warehouse.TableSeries))
			require.Equal(t, tt.objects, ObjectNames(tt.part))
		})
	}
}

func TestParseSegmentName(t *testing.T) {
	t.Parallel()
	id := ulid.MustParseStrict("01JZZZZZZZ0123456789ABCDEF")
	shard, got, ok := ParseSegmentName(SegmentName(4_000_000_000, id))
	require.True(t, ok)
	require.Equal(t, uint32(4_000_000_000), shard)
	require.Equal(t, id, got)
	for _, name := range []string{
		"", "segments/", "segments/1", "segments/1/", "segments/1/.seg", "segments/1/01JZZZZZZZ0123456789ABCDEF",
		"segments/01/01JZZZZZZZ0123456789ABCDEF.seg", "segments/-1/01JZZZZZZZ0123456789ABCDEF.seg",
		"segments/4294967296/01JZZZZZZZ0123456789ABCDEF.seg", "segments/1/01jzzzzzzz0123456789abcdef.seg",
		"segments/1/2/01JZZZZZZZ0123456789ABCDEF.seg", "blocks/1/01JZZZZZZZ0123456789ABCDEF.seg", "segments/1/01JZZZZZZZ0123456789ABCDEF.seg.tmp",
	} {
		_, _, ok := ParseSegmentName(name)
		require.False(t, ok, name)
	}
}
