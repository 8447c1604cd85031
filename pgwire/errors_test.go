package pgwire

import (
	"context"
	"errors"
	"regexp"
	"testing"

	"github.com/stackhouse-db/stackhouse/sql/statement"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stretchr/testify/require"
)

var stateRE = regexp.MustCompile(`^[0-9A-Z]{5}$`)

func TestEveryKindHasASQLState(t *testing.T) {
	t.Parallel()
	for k := range warehouse.NumKinds {
		require.Regexp(t, stateRE, sqlState(k), k.String())
	}
	require.Equal(t, "XX000", sqlState(warehouse.NumKinds))
	// The client's fault is never told as ours, nor ours as the client's.
	for k, want := range map[warehouse.Kind]string{
		warehouse.Invalid: "22", warehouse.Denied: "42", warehouse.Limit: "54", warehouse.Internal: "XX",
		warehouse.Corrupt: "XX", warehouse.Unavailable: "53", warehouse.Canceled: "57", warehouse.Deadline: "57",
	} {
		require.Equal(t, want, sqlState(k)[:2], k.String())
	}
}

func TestErrorsOfOtherPackages(t *testing.T) {
	t.Parallel()
	require.Nil(t, asPGError(nil))
	require.Equal(t, "53000", asPGError(warehouse.Errorf(warehouse.Unavailable, "read block: %w", errors.New("x"))).code)
	require.Equal(t, "57014", asPGError(context.DeadlineExceeded).code)
	require.Equal(t, "XX000", asPGError(errors.New("x")).code)
	require.Equal(t, "54000", asPGError(&statement.Error{Kind: warehouse.Limit, Message: "too much"}).code)
	e := asPGError(&statement.Error{Kind: warehouse.Limit, SQLState: "53200", Message: "m", Detail: "d", Hint: "h", Position: 3})
	require.Equal(t, &pgError{severity: "ERROR", code: "53200", message: "m", detail: "d", hint: "h", position: 3}, e)
	require.Equal(t, 5, asPGError(shifted(e, 2)).position)
	require.Equal(t, 1, asPGError(shifted(e, -9)).position)
	require.Equal(t, 3, e.position, "the original stays")
}

func TestStatementErrorsHaveTheirKind(t *testing.T) {
	t.Parallel()
	err := error(&statement.Error{Kind: warehouse.Limit, Message: "m", Cause: context.Canceled})
	require.Equal(t, warehouse.Limit, warehouse.KindOf(err))
	require.ErrorIs(t, err, context.Canceled)
}

func TestClip(t *testing.T) {
	t.Parallel()
	long := make([]byte, 0, 200)
	for range 60 {
		long = append(long, "é€"...)
	}
	require.Equal(t, "é", clip("é"))
	require.True(t, len(clip(string(long))) <= 80+len("…"))
	require.NoError(t, checkText(clip(string(long))))
}
