package failpoint

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

var (
	first  = Declare("test.step.before", "nothing has happened")
	second = Declare("test.step.after", "it has happened")
)

func TestHit(t *testing.T) {
	t.Parallel()
	var none *Points
	require.NoError(t, none.Hit(first))
	p := &Points{}
	require.NoError(t, p.Hit(first))
	failed := errors.New("failed")
	p.Set(first, 3, func() error { return failed })
	p.Set(second, 1, Error(second))
	for _, want := range []error{nil, nil, failed, nil, nil} {
		require.Equal(t, want, p.Hit(first))
	}
	require.Equal(t, warehouse.Unavailable, warehouse.KindOf(p.Hit(second)))
	require.NoError(t, p.Hit(second))
}

func TestParse(t *testing.T) {
	t.Parallel()
	p, err := Parse(" test.step.before=error@2, test.step.after=kill,")
	require.NoError(t, err)
	require.NoError(t, p.Hit(first))
	require.ErrorContains(t, p.Hit(first), "failpoint test.step.before")
	for text, want := range map[string]string{
		"test.step.before":            "want name=action[@n]",
		"test.step.before=error@0":    "want name=action[@n]",
		"test.step.before=error@x":    "want name=action[@n]",
		"test.step.before=panic":      `action "panic" is neither kill nor error`,
		"test.step.nowhere=error":     `failpoint "test.step.nowhere" is not known`,
		"test.step.before=error,rest": "want name=action[@n]",
	} {
		_, err := Parse(text)
		require.ErrorContains(t, err, want, text)
		require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
	}
}

func TestDeclared(t *testing.T) {
	t.Parallel()
	require.Equal(t, []Doc{{second, "it has happened"}, {first, "nothing has happened"}}, All())
	require.Panics(t, func() { Declare(string(first), "again") })
}

func BenchmarkHit(b *testing.B) {
	var none *Points
	for b.Loop() {
		if err := none.Hit(first); err != nil {
			b.Fatal(err)
		}
	}
}
