package statement

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/sql/confined"
)

func TestShapeOf(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"SELECT 1", "select ?"},
		{"select  'secret' -- secret\n, \"Quoted\" /* secret */ FROM samples", `select ? , "Quoted" from samples`},
		{"SELECT * FROM samples WHERE service_name IN ('a', 'b','c') AND value > 1e3", "select * from samples where service_name in ( ? ) and value > ?"},
		{"SELECT $1, E'\\'', $tag$x$tag$", "select $1 , ?"},
		{"VALUES (1, 2), (3, 4)", "values ( ? ) , ( ? )"},
		{"", ""},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, shapeOf(tt.text), tt.text)
	}
	long := shapeOf("SELECT " + strings.Repeat("a, ", 10_000) + "a")
	assert.LessOrEqual(t, len(long), maxShape+10)
	assert.True(t, strings.HasSuffix(long, "…"))
	assert.Equal(t, fingerprint(shapeOf("select 1")), fingerprint(shapeOf("SELECT  2")))
}

// TestDeadlyStatementsAreRefused: the second kill within five minutes is the last one;
// other statements, other tenants and later times are not concerned.
func TestDeadlyStatementsAreRefused(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	l := newLedger(&Options{Logger: slog.New(slog.DiscardHandler)})
	l.now = func() time.Time { return now }
	a, b := &Session{Tenant: "a"}, &Session{Tenant: "b"}
	kill := func(sess *Session, text string) {
		e, err := l.begin(sess, text)
		require.NoError(t, err)
		e.end(&Error{SQLState: stateOutOfMemory, Cause: &confined.Killed{Shortage: confined.Memory}}, &Stats{})
	}
	kill(a, "SELECT 1")
	kill(b, "SELECT 1")
	now = now.Add(time.Minute)
	kill(a, "SELECT  2")
	now = now.Add(time.Minute)
	_, err := l.begin(a, "select 3")
	var e *located
	require.ErrorAs(t, err, &e)
	assert.Equal(t, stateProgramLimit, e.err.SQLState)
	assert.Contains(t, e.err.Message, "refused until 12:06:00 UTC")
	for _, other := range []struct {
		sess *Session
		text string
	}{{a, "SELECT 1, a"}, {b, "SELECT 1"}} {
		e, err := l.begin(other.sess, other.text)
		require.NoError(t, err)
		e.end(errors.New("of another kind"), &Stats{})
	}
	now = now.Add(4 * time.Minute)
	kill(a, "SELECT 1")
	_, err = l.begin(a, "SELECT 1")
	require.NoError(t, err, "one in the last five minutes")
}

func TestAuditHasNoLiterals(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	log := slog.New(slog.NewTextHandler(&out, nil))
	l := newLedger(&Options{Logger: log, Audit: true, Slow: time.Hour})
	e, err := l.begin(&Session{Tenant: "t", User: "u"}, "SELECT 'secret', 4711 FROM samples")
	require.NoError(t, err)
	require.Len(t, l.list("t"), 1)
	require.Empty(t, l.list("other"))
	e.progress(&Stats{Rows: 3, ScannedBytes: 5})
	assert.Equal(t, int64(3), l.list("t")[0].rows)
	e.end(nil, &Stats{Rows: 7, ScannedBytes: 5})
	require.Empty(t, l.list("t"))
	assert.Contains(t, out.String(), "tenant=t user=u fingerprint="+fingerprint("select ? from samples")+" outcome=ok rows=7 bytes=5")
	assert.NotContains(t, out.String(), "secret")
	assert.NotContains(t, out.String(), "4711")

	out.Reset()
	l.slow = time.Second
	now := time.Now()
	l.now = func() time.Time { now = now.Add(time.Second); return now }
	e, err = l.begin(&Session{Tenant: "t"}, "SELECT 'secret' FROM samples")
	require.NoError(t, err)
	e.end(nil, &Stats{})
	assert.Contains(t, out.String(), `msg="slow statement"`)
	assert.Contains(t, out.String(), `statement="select ? from samples"`)
	assert.NotContains(t, out.String(), "secret")
}
