package warehouse

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFindingString(t *testing.T) {
	t.Parallel()
	tests := []struct {
		f    Finding
		want string
	}{
		{Finding{Check: "a.b", Object: "x", Row: NoRow, Text: "why"}, "a.b: why"},
		{Finding{Check: "a.b", Table: "samples", Row: NoRow, Text: "why"}, "a.b: samples: why"},
		{Finding{Check: "a.b", Table: "samples", Row: 0, Text: "why"}, "a.b: samples, row 0: why"},
		{Finding{Check: "a.b", Table: "samples", Row: 3, Column: "value", Text: "why"}, "a.b: samples, row 3, column value: why"},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, tt.f.String())
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	var r Report
	require.False(t, r.Failed())
	for i := range MaxFindings + 5 {
		r.Add(Finding{Check: "a", Row: int64(i)})
	}
	r.Add(Finding{Check: "b"})
	r.Skip("c")
	r.Skip("c")
	require.True(t, r.Failed())
	require.Equal(t, MaxFindings+6, r.Total())
	require.Len(t, r.Findings, MaxFindings+1)
	require.Equal(t, map[string]int{"a": MaxFindings + 5, "b": 1}, r.Found)
	require.Equal(t, map[string]int{"c": 2}, r.Skipped)
}
