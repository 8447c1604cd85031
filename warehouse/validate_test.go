package warehouse

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPartValidateDay(t *testing.T) {
	t.Parallel()
	p := sampleSegment().Parts[0]
	p.Range.To = (p.Hour + MaxPartHours - 1).End() - 1
	require.ErrorContains(t, p.Validate(), "not inside the hour")
	p.Level = 4
	require.NoError(t, p.Validate())
	p.Range.To++
	require.ErrorContains(t, p.Validate(), "not inside the hour")
}

func TestSegmentValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, sampleSegment().Validate())
	cases := []struct {
		name   string
		change func(s *Segment)
		want   string
	}{
		{"zero id", func(s *Segment) { s.ID = ObjectID{} }, "id is zero"},
		{"no parts", func(s *Segment) { s.Parts = nil }, "no parts"},
		{"part of another object", func(s *Segment) { s.Parts[1].Object[0]++ }, "belongs to segment"},
		{"part of another shard", func(s *Segment) { s.Parts[1].Shard++ }, "belongs to segment"},
		{"part of a level", func(s *Segment) { s.Parts[1].Level = 1 }, "at level 1"},
		{"part without format", func(s *Segment) { s.Parts[0].Format = 0 }, "format version is 0"},
		{"sections behind the object", func(s *Segment) { s.Size = 2999 }, "behind the object"},
		{"parts out of order", func(s *Segment) { s.Parts[0], s.Parts[1] = s.Parts[1], s.Parts[0] }, "not behind the part"},
		{"a tenant and hour twice", func(s *Segment) { s.Parts[1].Tenant = "acme" }, "not behind the part"},
		{"tenant that is a path", func(s *Segment) { s.Parts[0].Tenant = ".." }, "reserved"},
		{"tenant of a profile", func(s *Segment) { s.Profiles[2].Tenant = "a/b" }, "character '/'"},
		{"hour out of bounds", func(s *Segment) { s.Parts[0].Hour = math.MaxInt64 }, "hour is outside"},
		{"range outside the hour", func(s *Segment) { s.Parts[0].Range.To = s.Parts[0].Hour.End() }, "not inside the hour"},
		{"range is empty", func(s *Segment) { s.Parts[0].Range.To = s.Parts[0].Range.From - 1 }, "is empty"},
		{"no datasets", func(s *Segment) { s.Parts[0].Datasets = nil }, "no datasets"},
		{"services out of order", func(s *Segment) { s.Parts[0].Datasets[1].Service = "cart" }, `"cart" is not behind "cart"`},
		{"negative profiles", func(s *Segment) { s.Parts[0].Datasets[1].Profiles = -1 }, "-1 profiles"},
		{"types out of order", func(s *Segment) {
			ds := &s.Parts[0].Datasets[0]
			ds.Types = append(ds.Types, ds.Types[0])
		}, "is not behind"},
		{"type outside the part", func(s *Segment) { s.Parts[0].Datasets[0].Types[0].Range.From-- }, "has the range"},
		{"negative rows", func(s *Segment) { s.Parts[0].Datasets[0].Types[0].Rows = -1 }, "-1 rows"},
		{"unknown table", func(s *Segment) { s.Parts[0].Sections[0].Table = 6 }, "unknown"},
		{"a table twice", func(s *Segment) { s.Parts[0].Sections[1].Table = TableSamples }, "there twice"},
		{"section ends beyond int64", func(s *Segment) { s.Parts[0].Sections[0].Offset = math.MaxInt64 }, "has offset"},
		{"negative section", func(s *Segment) { s.Parts[0].Sections[0].Size = -1 }, "size -1"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := sampleSegment()
			tc.change(s)
			err := s.Validate()
			require.ErrorContains(t, err, tc.want)
			assert.Equal(t, Invalid, KindOf(err))
		})
	}
}
