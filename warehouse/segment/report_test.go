package segment

import (
	"bytes"
	"encoding/binary"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// rebuilt returns the golden segment whose ids are hashes, after a change of what
// its footer says and of the sections.
func rebuilt(t *testing.T, change func(seg *warehouse.Segment), sectionOf func(t warehouse.Table, data []byte) []byte) []byte {
	t.Helper()
	data, err := os.ReadFile("../../testdata/segment/v1/segments/0/01M89E6RDVRF4ZQ0W201RNQFAX.seg")
	require.NoError(t, err)
	seg, err := Decode(data)
	require.NoError(t, err)
	old := slices.Clone(seg.Parts[0].Sections)
	change(seg)
	b := NewBuilder(seg)
	for _, s := range old {
		b.Section(0, s.Table, s.Rows, sectionOf(s.Table, data[s.Offset:s.Offset+s.Size]))
	}
	out, err := b.Finish()
	require.NoError(t, err)
	return out
}

// TestReportFinds: each broken promise is found by its name.
func TestReportFinds(t *testing.T) {
	t.Parallel()
	same := func(*warehouse.Segment) {}
	asIs := func(_ warehouse.Table, data []byte) []byte { return data }
	sound := rebuilt(t, same, asIs)
	reseal := func(data []byte) []byte {
		n := int(binary.LittleEndian.Uint32(data[len(data)-16:]))
		binary.LittleEndian.PutUint32(data[len(data)-8:], Checksum(data[len(data)-TailSize-n:len(data)-8]))
		return data
	}
	edit := func(change func([]byte) []byte) []byte { return change(bytes.Clone(sound)) }
	tests := []struct {
		name string
		data []byte
		want []string
		text string
	}{
		{"nothing", sound, nil, ""},
		{"no segment", []byte("nothing but some text"), []string{CheckFooter}, "magic is"},
		{"cut", sound[:len(sound)-1], []string{CheckFooter}, "magic is"},
		{"a newer version", edit(func(b []byte) []byte { b[len(b)-12]++; return reseal(b) }), []string{CheckFooter}, "version 2 is newer than 1"},
		{"a footer's byte", edit(func(b []byte) []byte { b[len(b)-30] ^= 1; return b }), []string{CheckFooter}, "has checksum"},
		{"a byte of a section", edit(func(b []byte) []byte { b[60] ^= 1; return b }), []string{CheckLayout, block.CheckTableChecksum, block.CheckPage}, "samples"},
		{"a gap that is not zero", edit(func(b []byte) []byte {
			seg, err := Decode(b)
			require.NoError(t, err)
			all := seg.Parts[0].Sections
			i := slices.IndexFunc(all, func(s warehouse.Section) bool { return (s.Offset+s.Size)%alignment != 0 })
			require.GreaterOrEqual(t, i, 0, "there is a gap")
			b[all[i].Offset+all[i].Size] = 1
			return b
		}), []string{CheckLayout}, "gap is not zero"},
		{"a profile that is not there", rebuilt(t, func(seg *warehouse.Segment) {
			seg.Profiles = append(seg.Profiles, warehouse.ProfileKey{Tenant: "anonymous", ID: warehouse.ProfileID{1}})
		}, asIs), []string{CheckProfiles}, "is in the footer and not in the tables"},
		{"a profile of another tenant", rebuilt(t, func(seg *warehouse.Segment) { seg.Profiles[0].Tenant = "acme" }, asIs), []string{CheckProfiles}, "of tenant acme"},
		{"described rows", rebuilt(t, func(seg *warehouse.Segment) { seg.Parts[0].Datasets[0].Types[0].Rows++ }, asIs), []string{block.CheckDatasets}, "is described as"},
		{"another hour", rebuilt(t, func(seg *warehouse.Segment) {
			p := &seg.Parts[0]
			p.Hour++
			p.Range.From += 3600e6
			p.Range.To += 3600e6
			for i := range p.Datasets[0].Types {
				p.Datasets[0].Types[i].Range = p.Range
			}
		}, asIs), []string{block.CheckDatasets, block.CheckRange, block.CheckProfileHour, block.CheckSampleHour}, "is not in the hour"},
		{"another table's section", rebuilt(t, same, func(table warehouse.Table, data []byte) []byte {
			if table != warehouse.TableSeries {
				return data
			}
			return sound[:1600]
		}), []string{block.CheckFooter}, "series"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var r warehouse.Report
			seg := Report(tt.data, "x.seg", &r)
			var text []string
			for _, f := range r.Findings {
				text = append(text, f.String())
				require.True(t, strings.HasPrefix(f.Object, "x.seg"))
			}
			slices.Sort(tt.want)
			require.Equal(t, tt.want, slices.Sorted(maps.Keys(r.Found)), strings.Join(text, "\n"))
			require.Contains(t, strings.Join(text, "\n"), tt.text)
			require.Equal(t, seg == nil, slices.Contains(tt.want, CheckFooter))
		})
	}
	seg, err := Decode(sound)
	require.NoError(t, err)
	require.Equal(t, "segments/0/01M89E6RDVRF4ZQ0W201RNQFAX.seg", ObjectName(seg))
}
