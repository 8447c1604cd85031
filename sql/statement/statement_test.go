package statement

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSmoke(t *testing.T) {
	w := newWorld(t)
	w.generate(1, 400)
	s := w.service(nil)
	want := int64(0)
	n := 0
	for _, x := range w.samples {
		if x.tenant == tenantA {
			want += x.value
			n++
		}
	}
	require.Equal(t, []string{fmt.Sprintf("%d | %d", n, want)}, must(t, s, "SELECT count(*), sum(value) FROM samples"))
	for _, q := range []string{
		"select service_name, count(*), sum(value) from samples where time >= '2026-03-01 11:00:00Z' and time < '2026-03-01 12:00:00Z' group by all order by 1",
		"select count(*), count(distinct stacktrace_id) from stacktraces",
		"select functions[1], sum(value) from samples join stacktraces using (stacktrace_id) where service_name = 'api' group by 1 order by 1",
		"select labels['pod'], sum(value) from labeled_samples group by 1 order by 1",
		"explain select * from samples where service_name = 'api' and time > now() - interval '1 hour'",
		"explain analyze select count(*) from samples",
		"select * from flamegraph('process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name=\"api\"}', now() - interval '5 hours', now()) order by id",
		"select now(), current_setting('server_version'), version(), current_user",
		"select relname from pg_catalog.pg_class where relname like 'sam%'",
	} {
		a, err := ask(t.Context(), s, session(), q)
		require.NoError(t, err, q)
		fmt.Println("==", q, a.stats)
		for _, r := range a.rows {
			fmt.Println("  ", r)
		}
	}
}
