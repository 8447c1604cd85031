package profile

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A huge profile, taken or refused, does not hold memory for ever.
func TestPreparerReleases(t *testing.T) {
	t.Parallel()
	huge := pbJoin(append(base(), bytes.Repeat(base()[1], 300_000))...)
	for name, body := range map[string][]byte{
		"taken":   huge,
		"refused": append(bytes.Clone(huge), pbBytes(profileSample, pbPacked(1, 77), pbPacked(2, 7))...),
	} {
		var p Preparer
		_, err := p.Prepare("t", Raw{Labels: cpuLabels(), Body: body}, 0, time.Now(), Limits{})
		require.Equal(t, name == "taken", err == nil)
		assert.Nil(t, p.record, name)
		assert.Nil(t, p.decoder.p.Body, name)
		assert.Nil(t, p.decoder.p.Samples, name)
		assert.Nil(t, p.rows.rows, name)
		assert.Nil(t, p.split.base, name)
		for _, l := range p.labels[:cap(p.labels)] {
			assert.Empty(t, l.Value, "%s: labels of the request", name)
		}
		small, err := p.Prepare("t", Raw{Labels: cpuLabels(), Body: pbJoin(base()...)}, 0, time.Now(), Limits{})
		require.NoError(t, err)
		assert.NotNil(t, p.record, "%s: usual scratch is kept", name)
		assert.Len(t, small.Series, 1)
	}
}
