package ingest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPreparersAreUsedAgain(t *testing.T) {
	t.Parallel()
	p := newPreparers(1)
	first, err := p.take(t.Context(), "a")
	require.NoError(t, err)
	other, err := p.take(t.Context(), "b") // the one more
	require.NoError(t, err)
	assert.NotSame(t, first, other)
	p.give("a", first)
	again, err := p.take(t.Context(), "c")
	require.NoError(t, err)
	assert.Same(t, first, again)
}
