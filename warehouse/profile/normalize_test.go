package profile

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Two stacks with one id cannot be made to order, so the rows are made up: the
// profile is refused, because its ids would lie.
func TestDefineRefusesCollision(t *testing.T) {
	t.Parallel()
	p := &Profile{
		Samples:         []Sample{{FirstLocation: 0, LocationsEnd: 2}, {FirstLocation: 2, LocationsEnd: 4}, {FirstLocation: 4, LocationsEnd: 5}},
		SampleLocations: []uint32{0, 1, 0, 2, 0},
	}
	lim := DefaultLimits()
	define := func(hashes [3]uint64, rows ...row) (definitions, error) {
		sym := &symbolizer{}
		for _, h := range hashes {
			sym.locations = append(sym.locations, locationFact{hash: h, frames: 1})
		}
		var defs definitions
		err := (&normalizer{rows: rows}).define(p, sym, &defs, &lim)
		return defs, err
	}
	_, err := define([3]uint64{10, 11, 12}, row{stack: 5, sample: 0}, row{stack: 5, sample: 1})
	require.ErrorContains(t, err, "samples 0 and 1 have different stacks with the id 5")
	assert.Equal(t, warehouse.ReasonMalformedProfile, warehouse.ReasonOf(err))

	_, err = define([3]uint64{10, 11, 12}, row{stack: 5, sample: 0}, row{stack: 5, sample: 2})
	require.ErrorContains(t, err, "different stacks", "of different depth")

	defs, err := define([3]uint64{10, 11, 11}, row{stack: 5, sample: 0}, row{stack: 5, sample: 1}, row{stack: 6, sample: 2})
	require.NoError(t, err, "locations of equal identity make one stack")
	assert.Equal(t, []warehouse.StacktraceID{5, 6}, defs.ids)
	assert.Equal(t, []uint32{0, 2, 3}, defs.starts)
	assert.Equal(t, []uint32{0, 1, 0}, defs.refs)
}

// A sample label without a name or a value is none, whichever string says so.
func TestSplitIgnoresEmptyLabels(t *testing.T) {
	t.Parallel()
	parts := append(base(), pbString("")) // string 10, empty like string 0
	parts[1] = pbBytes(profileSample, pbPacked(1, 1, 2), pbPacked(2, 7),
		pbBytes(3, pbVarint(2, strCart)),
		pbBytes(3, pbVarint(1, 10), pbVarint(2, strCart)),
		pbBytes(3, pbVarint(1, strEndpoint)),
		pbBytes(3, pbVarint(1, strEndpoint), pbVarint(2, 10)))
	p, err := new(Preparer).Prepare("t", Raw{Labels: cpuLabels(), Body: pbJoin(parts...)}, 0, time.Now(), Limits{})
	require.NoError(t, err)
	require.Len(t, p.Series, 1)
	assert.Equal(t, warehouse.LabelsOf("service_name", "checkout"), p.Series[0].Labels)
}
