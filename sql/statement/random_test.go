package statement

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// condition writes a random condition on samples or profiles.
func condition(rng *rand.Rand, depth int) string {
	if depth > 0 && rng.IntN(3) > 0 {
		a, b := condition(rng, depth-1), condition(rng, depth-1)
		switch rng.IntN(4) {
		case 0:
			return "NOT (" + a + ")"
		case 1:
			return "(" + a + " OR " + b + ")"
		}
		return "(" + a + " AND " + b + ")"
	}
	compare := []string{"=", "<>", "<", "<=", ">", ">="}[rng.IntN(6)]
	names := []string{"'api'", "'api-2'", "'db'", "'it''s'", "'b'", "''"}
	name := func() string { return names[rng.IntN(len(names))] }
	instant := func() string {
		at := firstHour.Start().Time().Add(time.Duration(rng.IntN(6*60)-30) * time.Minute)
		if rng.IntN(3) == 0 {
			at = at.Truncate(time.Hour).Add(-time.Microsecond * time.Duration(rng.IntN(2)))
		}
		return "'" + at.Format("2006-01-02 15:04:05.999999Z") + "'"
	}
	switch rng.IntN(12) {
	case 0:
		return "service_name " + compare + " " + name()
	case 1:
		return "service_name IN (" + name() + ", " + name() + ", " + name() + ")"
	case 2:
		return "service_name NOT IN (" + name() + ", " + name() + ")"
	case 3:
		return "service_name LIKE '" + []string{"a%", "%s", "db", "_pi%", ""}[rng.IntN(5)] + "'"
	case 4:
		return "profile_type LIKE '" + []string{"process_cpu:%", "%bytes", "memory:inuse_space:bytes:space:bytes"}[rng.IntN(3)] + "'"
	case 5:
		return "time BETWEEN " + instant() + " AND " + instant()
	case 6:
		return fmt.Sprintf("date_trunc('%s', time) %s TIMESTAMPTZ %s", []string{"hour", "minute", "day"}[rng.IntN(3)], compare, instant())
	case 7:
		return "time::DATE " + compare + " '2026-03-0" + fmt.Sprint(1+rng.IntN(2)) + "'"
	case 8:
		return fmt.Sprintf("value %s %d", compare, rng.IntN(1000))
	case 9:
		return fmt.Sprintf("time %s now() - to_minutes(%d)", compare, rng.IntN(400))
	}
	return "time " + compare + " " + instant()
}

// TestRandomConditions: for random conditions, what the plan leaves has the same
// answer as everything.
func TestRandomConditions(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(11, 12)) //nolint:gosec // a test
	w := newWorld(t)
	w.generate(7, 250)
	s := w.service(nil)
	whole := w.service(func(o *Options) { o.unplanned = true })
	shapes := []string{
		"SELECT count(*), sum(value) FROM samples WHERE %s",
		"SELECT service_name, count(*), max(time) FROM profiles WHERE %s GROUP BY 1 ORDER BY 1",
		"SELECT count(*), sum(value) FROM labeled_samples WHERE %s",
		"SELECT functions[1], sum(value) FROM samples JOIN stacktraces USING (stacktrace_id) WHERE %s GROUP BY 1 ORDER BY 1",
		"SELECT count(*), count(functions) FROM (SELECT * FROM samples WHERE %s) LEFT JOIN stacktraces USING (stacktrace_id)",
		"WITH f AS (SELECT * FROM samples WHERE %s) SELECT (SELECT count(*) FROM f), (SELECT sum(value) FROM f WHERE %s)",
		"SELECT count(*) FROM samples WHERE %s UNION ALL SELECT count(*) FROM samples WHERE %s",
		"SELECT count(*) FROM (SELECT profile_id, value FROM profiles WHERE %s) a FULL JOIN (SELECT profile_id, value FROM samples WHERE %s) b USING (profile_id)",
	}
	n := 200
	if testing.Short() {
		n = 40
	}
	fewer := 0
	for range n {
		shape := shapes[rng.IntN(len(shapes))]
		var conditions []any
		for range strings.Count(shape, "%s") {
			conditions = append(conditions, condition(rng, 3))
		}
		text := fmt.Sprintf(shape, conditions...)
		sess := session()
		sess.TimeZone = []string{"UTC", "Asia/Tokyo", "America/St_Johns"}[rng.IntN(3)]
		pruned, err := ask(t.Context(), s, sess, text)
		require.NoError(t, err, text)
		all, err := ask(t.Context(), whole, sess, text)
		require.NoError(t, err, text)
		require.Equal(t, all.rows, pruned.rows, text)
		if pruned.stats.Sections < all.stats.Sections {
			fewer++
		}
	}
	require.Greater(t, fewer, n/4)
}
