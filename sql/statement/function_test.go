package statement

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const cpuSelector = `process_cpu:cpu:nanoseconds:cpu:nanoseconds`

// TestCalls: the ways to write a call, and where it may stand.
func TestCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(5, 200)
	s := w.service(nil)
	total := func(service string, from, to int) (sum int64) {
		for i := range w.samples {
			x := &w.samples[i]
			if x.tenant == tenantA && x.series.Type == cpuType && (service == "" || x.service() == service) && hourAt(from, 0) <= x.time && x.time < hourAt(to, 0) {
				sum += x.value
			}
		}
		return sum
	}
	api := cpuSelector + `{service_name="api"}`
	tests := []struct {
		text string
		args []any
		want any
	}{
		{"SELECT max(total) FROM flamegraph('" + api + "', '2026-03-01 11:00:00Z', '2026-03-01 13:00:00Z')", nil, total("api", 1, 3)},
		{"SELECT max(total) FROM flamegraph($1, $2, $3)", []any{api, hourAt(1, 0).Time(), hourAt(3, 0).Time()}, total("api", 1, 3)},
		{"SELECT max(total) FROM public.FlameGraph( \"to\" := $2 , selector => $1, \"from\" := now() - interval '4 hours')", []any{api, worldNow}, total("api", 1, 5)},
		{"SELECT flamegraph.total FROM flamegraph('" + api + "', now() - interval '5 hours', current_timestamp) WHERE parent_id IS NULL", nil, total("api", 0, 5)},
		{"SELECT f.c FROM flamegraph('" + cpuSelector + "', '-infinity', 'infinity') AS f(a, b, d, e, g, c) WHERE b IS NULL", nil, total("", 0, 5)},
		{"SELECT (SELECT max(total) FROM flamegraph($1, $2::timestamptz, $2::timestamptz + to_hours($3)))", []any{api, "2026-03-01 10:00:00Z", int64(2)}, total("api", 0, 2)},
		{"WITH f AS (SELECT * FROM flamegraph('" + api + "', '2026-03-01 10:00:00Z', '2026-03-01 11:00:00Z')) SELECT max(f.total) FROM f", nil, total("api", 0, 1)},
		{"SELECT max(a.total) - max(b.total) FROM flamegraph('" + api + "', '2026-03-01 10:00:00Z', '2026-03-01 11:00:00Z') a, flamegraph('" + cpuSelector + "{service_name=\"db\"}', '2026-03-01 10:00:00Z', '2026-03-01 11:00:00Z') b",
			nil, total("api", 0, 1) - total("db", 0, 1)},
		{"SELECT max(total) FROM flamegraph('" + api + "', '2026-03-01 10:00:00Z', '2026-03-01 15:00:00Z', 3)", nil, total("api", 0, 5)},
		{"SELECT sum(self) FROM flamegraph('" + api + "', '2026-03-01 10:00:00Z', '2026-03-01 15:00:00Z', max_nodes := 3)", nil, total("api", 0, 5)},
		{"SELECT sum(self) FROM top_functions('" + api + "', '2026-03-01 10:00:00Z', '2026-03-01 15:00:00Z')", nil, total("api", 0, 5)},
		{"SELECT max(total) FROM top_functions($1, $2, $3, $4)", []any{api, hourAt(0, 0).Time(), hourAt(5, 0).Time(), int64(1000)}, total("api", 0, 5)},
		{"SELECT count(*) FROM top_functions('" + api + "', '2026-03-01 10:00:00Z', '2026-03-01 15:00:00Z', \"limit\" := 2)", nil, 2},
		{"SELECT count(*) FROM top_functions('" + api + "', '2026-03-01 15:00:00Z', '2026-03-01 10:00:00Z')", nil, 0},
		{"SELECT count(*) FROM flamegraph(NULL, now(), now())", nil, 0},
		{"SELECT count(*) FROM flamegraph($1, $2, $3)", []any{nil, nil, nil}, 0},
		{"SELECT count(*) FROM flamegraph('" + api + "', now(), now() + interval '1 day')", nil, 0},
		{"SELECT count(*) FROM samples, LATERAL flamegraph('" + api + "', now(), now())", nil, 0},
		{"SELECT count(*) FROM series LEFT JOIN flamegraph('" + api + "', '-infinity', now(), 1) ON false WHERE function IS NOT NULL", nil, 0},
	}
	for _, tt := range tests {
		a, err := ask(t.Context(), s, session(), tt.text, tt.args...)
		if assert.NoError(t, err, tt.text) {
			assert.Equal(t, []string{fmt.Sprint(tt.want)}, a.rows, tt.text)
		}
	}
	require.Zero(t, w.pinned())
}

func TestTopFunctions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(6, 200)
	s := w.service(nil)
	self, total := map[string]int64{}, map[string]int64{}
	for i := range w.samples {
		x := &w.samples[i]
		if x.tenant != tenantA || x.series.Type != cpuType {
			continue
		}
		var names []string
		for _, f := range x.stack.Frames {
			names = append(names, f.Function)
		}
		self[names[0]] += x.value
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			total[name] += x.value
		}
	}
	rows := must(t, s, "SELECT function, self, total FROM top_functions('"+cpuSelector+"', '-infinity', 'infinity')")
	require.Len(t, rows, len(total))
	for name, sum := range total {
		assert.Contains(t, rows, fmt.Sprintf("%s | %d | %d", name, self[name], sum))
	}
}

func TestRefusedCalls(t *testing.T) {
	t.Parallel()
	s := newWorld(t).service(nil)
	for text, state := range map[string]string{
		"SELECT * FROM flamegraph('" + cpuSelector + "', now())":                                              "42883",
		"SELECT * FROM flamegraph()":                                                                          "42883",
		"SELECT * FROM flamegraph('" + cpuSelector + "', now(), now(), 1, 2)":                                 "42883",
		"SELECT * FROM flamegraph('" + cpuSelector + "', now(), now(), nodes := 1)":                           "42883",
		"SELECT * FROM flamegraph('" + cpuSelector + "', now(), now(), selector := 'x')":                      "42883",
		"SELECT flamegraph('" + cpuSelector + "', now(), now())":                                              "42883",
		"SELECT * FROM other.flamegraph('" + cpuSelector + "', now(), now())":                                 "42883",
		"SELECT * FROM series s, flamegraph(s.service_name, now(), now())":                                    "0A000",
		"SELECT * FROM flamegraph((SELECT 'x'), now(), now())":                                                "0A000",
		"SELECT * FROM flamegraph('" + cpuSelector + "', now(), (SELECT max(time) FROM samples))":             "0A000",
		"SELECT * FROM flamegraph('" + cpuSelector + "', now(), now()) WITH ORDINALITY":                       "0A000",
		"SELECT * FROM flamegraph('" + cpuSelector + "', 'yesterday', now())":                                 "22007",
		"SELECT * FROM flamegraph('{', now() - interval '1 day', now())":                                      "22023",
		"SELECT * FROM flamegraph('{service_name=\"x\"}', now() - interval '1 day', now())":                   "22023",
		"SELECT * FROM flamegraph('cpu{service_name=\"x\"}', now() - interval '1 day', now())":                "22023",
		"SELECT * FROM flamegraph('" + cpuSelector + "{a=~\"(\"}', now() - interval '1 day', now())":          "22023",
		"SELECT * FROM flamegraph('" + cpuSelector + "', now() - interval '1 day', now(), -1)":                "22023",
		"SELECT * FROM flamegraph('" + cpuSelector + "', now() - interval '1 day', now(), 'many')":            "22P02",
		"SELECT * FROM flamegraph(getenv('HOME'), now(), now())":                                              "42501",
		"SELECT * FROM flamegraph('" + cpuSelector + "', now(), now()) AS f WHERE f.nothing = 1":              "42703",
		"SELECT * FROM top_functions('" + cpuSelector + "', now() - interval '1 day', error('no'))":           "22023",
		"SELECT * FROM top_functions('" + cpuSelector + "', now() - interval '1 day', now(), repeat('9',99))": "22P02",
	} {
		e := failure(t, s, text)
		assert.Equal(t, state, e.SQLState, "%s: %s", text, e.Message)
	}
}

// TestExplain: a plan says what is read, and names no file.
func TestExplain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(1, 100)
	s := w.service(nil)
	for _, text := range []string{
		"EXPLAIN SELECT sum(value) FROM samples WHERE service_name = $1",
		"EXPLAIN ANALYZE SELECT sum(value) FROM samples WHERE service_name = $1",
	} {
		a, err := ask(t.Context(), s, session(), text, "api")
		require.NoError(t, err)
		all := fmt.Sprint(a.rows)
		assert.Contains(t, all, "service_name")
		assert.NotContains(t, all, w.dir)
		assert.NotContains(t, all, ".parquet")
		assert.Contains(t, all, "UNGROUPED_AGGREGATE")
	}
	rows := must(t, s, "EXPLAIN SELECT sum(value) FROM samples WHERE service_name = 'api'")
	assert.Contains(t, rows, "Reads samples where service_name = 'api'")
	rows = must(t, s, "EXPLAIN ANALYZE SELECT * FROM flamegraph('"+cpuSelector+"', '-infinity', now())")
	assert.Contains(t, fmt.Sprint(rows), "Execution Time")
	must(t, s, "EXPLAIN SELECT 1")
	require.Zero(t, w.pinned())
}
