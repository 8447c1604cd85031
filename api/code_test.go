package api

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func TestRepliesAreTotal(t *testing.T) {
	t.Parallel()
	for k := range warehouse.NumKinds {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			r := replies[k]
			require.NotZero(t, r.code, "kind without a code")
			require.GreaterOrEqual(t, r.status, 400)

			err := fmt.Errorf("do it: %w", warehouse.Errorf(k, "text"))
			require.Equal(t, r.code, connectError(err).Code())
			require.Equal(t, "do it: text", connectError(err).Message())
			require.Equal(t, r.status, statusOf(r.code), "two kinds share a code but not a status")

			rec := httptest.NewRecorder()
			w := connect.NewErrorWriter()
			require.NoError(t, w.Write(rec, httptest.NewRequest("POST", "/", nil), connectError(err)))
			require.Equal(t, r.status, rec.Code, "connect gives the code another status")
		})
	}
}

func TestEveryConnectCodeHasItsStatus(t *testing.T) {
	t.Parallel()
	for c := connect.CodeCanceled; c <= connect.CodeUnauthenticated; c++ {
		rec := httptest.NewRecorder()
		require.NoError(t, connect.NewErrorWriter().Write(rec, httptest.NewRequest("POST", "/", nil), connect.NewError(c, errors.New("x"))))
		require.Equal(t, rec.Code, statusOf(c), c.String())
	}
}

func TestReplyTo(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		err    error
		code   connect.Code
		status int
	}{
		{"unclassified", errors.New("x"), connect.CodeInternal, 500},
		{"context canceled", fmt.Errorf("x: %w", context.Canceled), connect.CodeCanceled, 499},
		{"context deadline", context.DeadlineExceeded, connect.CodeDeadlineExceeded, 504},
		{"connect", unsupported("flying is"), connect.CodeUnimplemented, 501},
		{"connect around a kind", connectError(warehouse.Errorf(warehouse.Limit, "x")), connect.CodeResourceExhausted, 429},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.status, replyTo(tt.err).status)
			require.Equal(t, tt.code, connectError(tt.err).Code())
		})
	}
}

// TestStrengthIsTotal: the order in which failures of one push compete has all
// kinds, and what is retried beats what is not.
func TestStrengthIsTotal(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for k := range warehouse.NumKinds {
		s := strength(warehouse.Errorf(k, "x"))
		require.GreaterOrEqual(t, s, 0, k.String())
		require.False(t, seen[s])
		seen[s] = true
	}
	require.Greater(t, strength(warehouse.Errorf(warehouse.Unavailable, "x")), strength(warehouse.Errorf(warehouse.Invalid, "x")))
	require.Greater(t, strength(warehouse.Errorf(warehouse.Limit, "x")), strength(warehouse.Errorf(warehouse.Invalid, "x")))
}
