package block

import (
	"os"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func metaPart() (*warehouse.Part, []warehouse.ObjectID) {
	hour := warehouse.Hour(488_888)
	r := warehouse.TimeRange{From: hour.Start() + 1, To: hour.End() - 1}
	return &warehouse.Part{
			Object: ulid.MustParseStrict("01JZZZZZZZ0123456789ABCDEF"), Level: 1, Format: 1, Tenant: "acme", Hour: hour, Range: r,
			Datasets: []warehouse.Dataset{{Service: "checkout", Profiles: 2, Types: []warehouse.TypeStats{
				{Type: "process_cpu:cpu:nanoseconds:cpu:nanoseconds", Range: warehouse.TimeRange{From: r.From, To: r.From}, Rows: 3},
			}}},
			Sections: []warehouse.Section{
				{Table: warehouse.TableSamples, Size: 1708, Rows: 3, CRC: 0x0f925ecf},
				{Table: warehouse.TableProfiles, Size: 1729, Rows: 2, CRC: 0xdfca08eb},
			},
		}, []warehouse.ObjectID{
			ulid.MustParseStrict("01JZZZZZZY0123456789ABCDEF"), ulid.MustParseStrict("01JZZZZZZX0123456789ABCDEF"),
		}
}

// TestMetaGolden: meta.json is a format; the file is never written again.
func TestMetaGolden(t *testing.T) {
	t.Parallel()
	golden, err := os.ReadFile("testdata/v1/meta.json")
	require.NoError(t, err)
	part, sources := metaPart()
	got, gotSources, err := DecodeMeta(golden)
	require.NoError(t, err)
	require.Equal(t, part, got)
	require.Equal(t, sources, gotSources)
	data, err := EncodeMeta(part, sources)
	require.NoError(t, err)
	require.Equal(t, string(golden), string(data))
}

func TestDecodeMetaRefuses(t *testing.T) {
	t.Parallel()
	part, sources := metaPart()
	data, err := EncodeMeta(part, sources)
	require.NoError(t, err)
	tests := []struct{ name, old, text, want string }{
		{"newer format", `"format": 1`, `"format": 2`, "format version 2 is newer"},
		{"no JSON", "{", "[", "decode meta"},
		{"other id", `"01JZZZZZZZ`, `"x1JZZZZZZZ`, "object id"},
		{"other table", `"table": "samples"`, `"table": "symbols"`, `unknown table "symbols"`},
		{"other hour", `"2025-10-09T08"`, `"2025-10-09T07"`, "not inside the hour"},
		{"no hour", `"2025-10-09T08"`, `"today"`, "cannot parse"},
		{"bad tenant", `"acme"`, `"../acme"`, "tenant"},
		{"bad checksum", `"0f925ecf"`, `"checksum"`, "checksum"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(string(data), tt.old, tt.text, 1)
			require.NotEqual(t, string(data), text)
			_, _, err := DecodeMeta([]byte(text))
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
		})
	}
	part.Tenant = ".."
	_, err = EncodeMeta(part, nil)
	require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
}
