package statement

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTimesWithoutSeconds: literals as PostgreSQL reads them, with positions of
// later errors as the client counts them.
func TestTimesWithoutSeconds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(4, 40)
	s := w.service(nil)
	for text, want := range map[string]string{
		"SELECT ('2026-03-01 10:00+00'::timestamptz)::VARCHAR":                                                     "2026-03-01 10:00:00+00",
		"SELECT (timestamptz '2026-03-01 10:00+01')::VARCHAR":                                                      "2026-03-01 09:00:00+00",
		"SELECT ('2026-03-01T10:00Z'::timestamptz)::VARCHAR":                                                       "2026-03-01 10:00:00+00",
		"SELECT ('2026-03-01 10:00 Europe/Berlin'::timestamptz)::VARCHAR":                                          "2026-03-01 09:00:00+00",
		"SELECT ('2026-03-01 10:00'::timestamp)::VARCHAR":                                                          "2026-03-01 10:00:00",
		"SELECT (CAST('2026-03-01 10:00+01' AS timestamptz))::VARCHAR":                                             "2026-03-01 09:00:00+00",
		"SELECT '2026-03-01 10:00+00' AS timestamp":                                                                "2026-03-01 10:00+00",
		"SELECT '2026-03-01 10:00+00'":                                                                             "2026-03-01 10:00+00",
		"SELECT '2026-03-01 10:00+00' || ('2026-03-01 10:00+01'::timestamptz)::VARCHAR":                            "2026-03-01 10:00+002026-03-01 09:00:00+00",
		"SELECT (count(*) > 0)::VARCHAR FROM samples WHERE time >= '2026-03-01 10:00+00'":                          "true",
		"SELECT (count(*))::VARCHAR FROM samples WHERE time BETWEEN '2026-03-02 10:00+00' AND '2026-03-03 10:00Z'": "0",
	} {
		require.Equal(t, []string{want}, must(t, s, text), text)
	}
	e := failure(t, s, "SELECT nothing FROM samples WHERE time > '2026-03-01 10:00+00'")
	require.Equal(t, "42703", e.SQLState)
	require.Equal(t, 8, e.Position)
	e = failure(t, s, "SELECT '2026-03-01 10:00+00'::timestamptz, 'x'::int")
	require.Equal(t, "22P02", e.SQLState)
	e = failure(t, s, "SELECT '2026-03-01 99:00+00'::timestamptz")
	require.Contains(t, []string{"22007", "22008"}, e.SQLState)
	e = failure(t, s, "SELECT 'yesterday'::timestamptz")
	require.Equal(t, "22007", e.SQLState)
}
