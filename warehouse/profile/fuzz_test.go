package profile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

// FuzzDecode: no body panics or is refused with anything but Invalid; what is
// accepted holds its promises, and is prepared the same by a Preparer that has
// seen the input before.
//
//	go test ./warehouse/profile -run '^$' -fuzz FuzzDecode -fuzztime 30s -fuzzminimizetime 10x
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("../../testdata/pprof/*.pb.gz")
	require.NoError(f, err)
	for _, file := range files {
		zipped, err := os.ReadFile(file)
		require.NoError(f, err)
		body, err := profile.Inflate(nil, zipped, 32<<20)
		require.NoError(f, err)
		f.Add(body)
	}
	p := testProfile()
	add(p, "abc", 1, 10).Label["endpoint"] = []string{"/cart"}
	add(p, "ab", 1, -10).Label["span_id"] = []string{"00000000000000ff"}
	small, err := profile.Inflate(nil, raw(f, p).Body, 32<<20)
	require.NoError(f, err)
	f.Add(small)
	f.Add(small[:len(small)/2])

	base := warehouse.LabelsOf("service_name", "fuzz")
	r := profile.Raw{Labels: base.With("__name__", "x"), ID: "6f1f3a1e-0d5c-4f6b-9d8e-2f2f3a1e0d5c"}
	lim := profile.Limits{MaxBytes: 1 << 20, MaxDefinitionBytes: 16 << 20}
	f.Fuzz(func(t *testing.T, body []byte) {
		var pr profile.Preparer
		r := r
		r.Body = body
		got, err := pr.Prepare("t", r, 0, received, lim)
		if err != nil {
			require.Equal(t, warehouse.Invalid, warehouse.KindOf(err), "%v", err)
			require.NotEmpty(t, warehouse.ReasonOf(err), "%v", err)
			return
		}
		rowsOf(t, got)
		again, err := pr.Prepare("t", r, 0, received, lim)
		require.NoError(t, err)
		require.Equal(t, got, again)
		for _, s := range got.Series {
			require.Equal(t, "fuzz", s.Service())
		}
	})
}
