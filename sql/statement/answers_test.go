package statement

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// hourAt is an instant in the hours of the test data.
func hourAt(h, minute int) warehouse.Micros {
	return firstHour.Start() + warehouse.Micros(time.Duration(60*h+minute)*time.Minute/time.Microsecond)
}

// TestAnswersEqualAddition compares statements, whose conditions the planner uses to
// leave files unread, with plain addition.
func TestAnswersEqualAddition(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(2, 300)
	s := w.service(nil)
	type filter = func(*sample) bool
	between := func(from, to warehouse.Micros) filter {
		return func(x *sample) bool { return from <= x.time && x.time < to }
	}
	service := func(names ...string) filter {
		return func(x *sample) bool { return strings.Contains("|"+strings.Join(names, "|")+"|", "|"+x.service()+"|") }
	}
	both := func(a, b filter) filter { return func(x *sample) bool { return a(x) && b(x) } }
	either := func(a, b filter) filter { return func(x *sample) bool { return a(x) || b(x) } }
	not := func(a filter) filter { return func(x *sample) bool { return !a(x) } }
	all, none := func(*sample) bool { return true }, func(*sample) bool { return false }
	cpu := func(x *sample) bool { return x.series.Type == cpuType }

	tests := []struct {
		where string
		want  filter
	}{
		{"true", all},
		{"false", none},
		{"service_name = 'api'", service("api")},
		{"service_name <> 'api'", not(service("api"))},
		{"service_name IN ('api', 'nowhere')", service("api")},
		{"service_name NOT IN ('api', 'nowhere')", not(service("api"))},
		{"service_name LIKE 'a%'", func(x *sample) bool { return strings.HasPrefix(x.service(), "a") }},
		{"service_name = 'api' OR service_name = 'web'", service("api", "web")},
		{"service_name = 'api' OR value > 0", all},
		{"profile_type = '" + cpuType.String() + "' AND service_name = 'api'", both(cpu, service("api"))},
		{"profile_type = '" + cpuType.String() + "' OR service_name = 'api'", either(cpu, service("api"))},
		{"time >= '2026-03-01 11:00:00Z' AND time < '2026-03-01 12:00:00Z'", between(hourAt(1, 0), hourAt(2, 0))},
		{"time BETWEEN '2026-03-01 11:00:00Z' AND '2026-03-01 11:59:59.999999Z'", between(hourAt(1, 0), hourAt(2, 0))},
		{"NOT (time >= '2026-03-01 11:00:00Z')", between(0, hourAt(1, 0))},
		{"date_trunc('hour', time) = '2026-03-01 12:00:00Z'", between(hourAt(2, 0), hourAt(3, 0))},
		{"time + INTERVAL 1 HOUR >= '2026-03-01 12:00:00Z'", between(hourAt(1, 0), hourAt(99, 0))},
		{"time >= '2026-03-01 11:00:00Z' AND (service_name = 'api' OR time < '2026-03-01 12:00:00Z')",
			both(between(hourAt(1, 0), hourAt(99, 0)), either(service("api"), between(0, hourAt(2, 0))))},
		{"service_name IN (SELECT service_name FROM series WHERE service_name = 'api')", service("api")},
		{"stacktrace_id IN (SELECT stacktrace_id FROM stacktraces)", all},
		{"series_id IN (SELECT series_id FROM series WHERE labels['service_name'] = 'api')", service("api")},
	}
	for _, from := range []string{
		"samples AS x", "(SELECT * FROM samples) AS x", "labeled_samples AS x",
		"(SELECT * FROM samples UNION ALL SELECT * FROM samples WHERE false) AS x",
	} {
		for _, tt := range tests {
			n, sum := 0, int64(0)
			for i := range w.samples {
				if x := &w.samples[i]; x.tenant == tenantA && tt.want(x) {
					n, sum = n+1, sum+x.value
				}
			}
			text := "WITH q AS (SELECT * FROM " + from + " WHERE " + tt.where + ") SELECT count(*), coalesce(sum(value), 0) FROM q"
			assert.Equal(t, []string{fmt.Sprintf("%d | %d", n, sum)}, must(t, s, text), text)
		}
	}
}

// TestFunctionsEqualTheAPI: SQL's functions and the profiling API have the same
// totals.
func TestFunctionsEqualTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(3, 300)
	s := w.service(nil)
	for _, matchers := range []string{"", `service_name="api"`, `service_name!="api"`, `service_name=~"a.*|w.*"`, `service_name="nowhere"`} {
		ms, err := warehouse.ParseMatchers("{" + matchers + "}")
		require.NoError(t, err)
		from, to := hourAt(0, 30), hourAt(3, 15)
		tree, err := w.query.Tree(t.Context(), query.Selection{
			Tenant: tenantA, Type: cpuType, Matchers: ms, Range: warehouse.TimeRange{From: from, To: to - 1}, // SQL's range is half open
		})
		require.NoError(t, err)
		call := fmt.Sprintf("('%s{%s}', '%s', '%s')", cpuType, matchers, from.Time().Format(time.RFC3339), to.Time().Format(time.RFC3339))
		want := []string{fmt.Sprint(tree.Total())}
		assert.Equal(t, want, must(t, s, "SELECT coalesce(max(total), 0) FROM flamegraph"+call), matchers)
		assert.Equal(t, want, must(t, s, "SELECT coalesce(sum(self), 0) FROM top_functions"+call), matchers)
		assert.Equal(t, must(t, s, "SELECT count(*) FROM flamegraph"+call+" WHERE parent_id IS NOT NULL"),
			must(t, s, "SELECT count(*) FROM flamegraph"+call+" AS c JOIN flamegraph"+call+" AS p ON c.parent_id = p.id AND c.depth = p.depth + 1"), matchers)
	}
}

// TestTenantsSeeTheirOwn: the same statements, three tenants.
func TestTenantsSeeTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(4, 200)
	s := w.service(nil)
	for _, tenant := range []warehouse.Tenant{tenantA, tenantB, "nobody"} {
		sess := session()
		sess.Tenant = tenant
		n := 0
		for i := range w.samples {
			if w.samples[i].tenant == tenant {
				n++
			}
		}
		for text, want := range map[string]int{
			"SELECT count(*) FROM samples":                                    n,
			"SELECT count(*) FROM series ANTI JOIN samples USING (series_id)": 0,
		} {
			a, err := ask(t.Context(), s, sess, text)
			require.NoError(t, err)
			assert.Equal(t, []string{fmt.Sprint(want)}, a.rows, "%s: %s", tenant, text)
		}
	}
}
