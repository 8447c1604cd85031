package segment

import (
	"testing"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

func TestWithout(t *testing.T) {
	t.Parallel()
	old := testSegment("acme", "beta")
	old.Profiles = nil
	for _, tenant := range []warehouse.Tenant{"acme", "beta"} {
		for _, id := range []warehouse.ProfileID{{1}, {2}} {
			old.Profiles = append(old.Profiles, warehouse.ProfileKey{Tenant: tenant, ID: id})
		}
	}
	data := build(t, old)
	id := ulid.MustParseStrict("01JZZZZZZZ0123456789ABCDEG")
	except := func(dropped ...warehouse.ProfileKey) func(warehouse.ProfileKey) bool {
		return func(k warehouse.ProfileKey) bool {
			for _, d := range dropped {
				if d == k {
					return true
				}
			}
			return false
		}
	}

	out, seg, err := Without(data, id, except(warehouse.ProfileKey{Tenant: "acme", ID: warehouse.ProfileID{1}}))
	require.NoError(t, err)
	require.NoError(t, Check(out), "it is a sound segment whose footer describes its rows")
	require.Equal(t, id, seg.ID)
	require.Len(t, seg.Parts, 2)
	require.Equal(t, []warehouse.ProfileKey{{Tenant: "acme", ID: warehouse.ProfileID{2}}, {Tenant: "beta", ID: warehouse.ProfileID{1}}, {Tenant: "beta", ID: warehouse.ProfileID{2}}}, seg.Profiles)
	require.Equal(t, old.Epochs, seg.Epochs)
	require.EqualValues(t, 1, seg.Parts[0].Datasets[0].Profiles)
	require.EqualValues(t, 1, seg.Parts[0].Rows())
	require.EqualValues(t, 3, seg.Parts[1].Rows())
	_, ok := seg.Parts[0].Section(warehouse.TableStacktraces)
	require.True(t, ok, "definitions stay")
	want, got := samplesIn(t, data, &old.Parts[1]), samplesIn(t, out, &seg.Parts[1])
	require.Equal(t, want, got)
	require.Equal(t, want[2:], samplesIn(t, out, &seg.Parts[0])[0:1:1], "but for the hour, parts are alike")

	out, seg, err = Without(data, id, except(old.Profiles[:2]...))
	require.NoError(t, err)
	require.NoError(t, Check(out))
	require.Len(t, seg.Parts, 1, "a part without profiles is left out")
	require.Equal(t, warehouse.Tenant("beta"), seg.Parts[0].Tenant)

	out, seg, err = Without(data, id, func(warehouse.ProfileKey) bool { return true })
	require.NoError(t, err)
	require.Nil(t, out)
	require.Nil(t, seg)

	bad := append([]byte{}, data...)
	s, _ := old.Parts[0].Section(warehouse.TableSamples)
	bad[s.Offset+5] ^= 1
	_, _, err = Without(bad, id, except())
	require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
}

func samplesIn(t *testing.T, data []byte, p *warehouse.Part) (rows []block.SampleRow) {
	section, err := Section(data, p, warehouse.TableSamples)
	require.NoError(t, err)
	require.NoError(t, block.ReadSamples(section, func(r block.SampleRow) error {
		r.Time -= p.Hour.Start()
		rows = append(rows, r)
		return nil
	}))
	return rows
}
