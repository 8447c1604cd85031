package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bombs are statements that the check lets through and that take all the time, memory
// or space there is.
var bombs = []string{
	// rows
	"SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000) b",
	"SELECT sum(a * b) FROM generate_series(1, 1000000) t(a), generate_series(1, 1000000) u(b)",
	"SELECT * FROM generate_series(1, 1000000000000)",
	"WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
	"WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n * 2 % 1000003 FROM r) SELECT max(n) FROM r",
	"WITH RECURSIVE r(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM r WHERE length(s) < 10000000000) SELECT length(s) FROM r",
	"SELECT count(*) FROM samples a, samples b, samples c, samples d, samples e, samples f",
	"SELECT count(*) FROM samples a JOIN samples b ON a.value <> b.value JOIN samples c ON b.value <> c.value JOIN samples d ON c.value <> d.value",
	"SELECT a.value FROM samples a, samples b, samples c, samples d ORDER BY a.value * b.value * c.value * d.value DESC",
	"SELECT DISTINCT a || '-' || b FROM generate_series(1, 100000) t(a), generate_series(1, 100000) u(b)",
	"SELECT a, count(*) FROM generate_series(1, 1000000000) t(a) GROUP BY a",
	"SELECT a % 100000000, array_agg(a) FROM generate_series(1, 1000000000) t(a) GROUP BY 1",
	"SELECT array_agg(a) FROM generate_series(1, 1000000000) t(a)",
	"SELECT string_agg(a::text, ',') FROM generate_series(1, 1000000000) t(a)",
	"SELECT count(DISTINCT a) FROM generate_series(1, 10000000000) t(a)",
	"SELECT row_number() OVER (ORDER BY -a) FROM generate_series(1, 1000000000) t(a)",
	"SELECT sum(a) OVER (PARTITION BY a % 2 ORDER BY a DESC) FROM generate_series(1, 300000000) t(a)",
	"SELECT max(a) OVER (ORDER BY a ROWS BETWEEN 1000000 PRECEDING AND 1000000 FOLLOWING) FROM generate_series(1, 100000000) t(a)",
	"SELECT median(a) FROM generate_series(1, 3000000000) t(a)",
	"SELECT mode(a) FROM generate_series(1, 3000000000) t(a)",
	"SELECT quantile_cont(a, 0.5) FROM generate_series(1, 3000000000) t(a)",
	"SELECT histogram(a) FROM generate_series(1, 1000000000) t(a)",
	"SELECT * FROM generate_series(1, 100000000) t(a) ORDER BY md5(a::text)",
	"SELECT a FROM generate_series(1, 100000000) t(a) EXCEPT SELECT a + 1 FROM generate_series(1, 100000000) u(a)",
	"SELECT a FROM generate_series(1, 300000000) t(a) INTERSECT SELECT a FROM generate_series(1, 300000000) u(a)",
	"SELECT a FROM generate_series(1, 300000000) t(a) UNION SELECT a + 1 FROM generate_series(1, 300000000) u(a)",
	"SELECT count(*) FROM generate_series(1, 100000000) t(a) WHERE a IN (SELECT b FROM generate_series(1, 100000000) u(b) WHERE b <> a)",
	"SELECT (SELECT count(*) FROM generate_series(1, t.a)) FROM generate_series(1, 1000000) t(a)",
	"SELECT count(*) FROM generate_series(1, 10000000) t(a), LATERAL (SELECT * FROM generate_series(1, t.a)) u",
	// one value
	"SELECT length(repeat('x', 4000000000))",
	"SELECT repeat('x', 1000000000)",
	"SELECT length(repeat(repeat('x', 60000), 60000))",
	"SELECT length(lpad('x', 2000000000, 'ab'))",
	"SELECT length(rpad('x', 2000000000, 'ab'))",
	"SELECT length(replace(repeat('x', 100000000), 'x', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'))",
	"SELECT length(string_agg(repeat('x', 100000), '')) FROM generate_series(1, 100000)",
	"SELECT md5(repeat('x', 2000000000))",
	"SELECT regexp_replace(repeat('a', 100000000), '(a|aa)+b?', 'x', 'g')",
	"SELECT repeat('a', 200000) || 'b' LIKE '%a%a%a%a%a%a%a%a%a%a%a%a%a%a%c'",
	"SELECT length(reverse(repeat('ä', 500000000)))",
	"SELECT upper(repeat('ß', 500000000)) = 'x'",
	"SELECT split_part(repeat('a,', 500000000), ',', 400000000)",
	"SELECT len(string_to_array(repeat('a,', 200000000), ','))",
	"SELECT len(regexp_split_to_array(repeat('a,', 100000000), ','))",
	"SELECT strpos(repeat('a', 100000000), repeat('a', 50000000) || 'b')",
	"SELECT translate(repeat('abc', 300000000), 'abc', 'xyz') = ''",
	"SELECT format('{:>2000000000}', 'x')",
	"SELECT printf('%2000000000d', 1)",
	// lists
	"SELECT len(range(1000000000))",
	"SELECT list_sort(range(200000000))",
	"SELECT list_distinct(range(100000000))",
	"SELECT list_transform(range(100000000), x -> x * 2)",
	"SELECT list_reduce(range(100000000), (a, b) -> a + b)",
	"SELECT list_filter(range(100000000), x -> x % 2 = 0)",
	"SELECT list_zip(range(50000000), range(50000000))",
	"SELECT flatten(list_transform(range(10000), x -> range(10000)))",
	"SELECT list_aggregate(range(200000000), 'histogram')",
	"SELECT array_to_string(range(100000000), ',')",
	"SELECT unnest(range(1000000000))",
	"SELECT list_concat(range(100000000), range(100000000))",
	"SELECT list_transform(range(2000), x -> list_transform(range(2000), y -> list_transform(range(2000), z -> x * y * z)))",
	"SELECT map(range(20000000), range(20000000))",
	"SELECT to_json(range(50000000))",
	// the text itself
	"SELECT " + strings.Repeat("(", 100_000) + "1" + strings.Repeat(")", 100_000),
	"SELECT " + strings.Repeat("-", 50_000) + " 1",
	"SELECT 1" + strings.Repeat(" + 1", 200_000),
	"SELECT " + strings.Repeat("NOT ", 100_000) + "true",
	"SELECT " + strings.Repeat("CASE WHEN true THEN ", 20_000) + "1" + strings.Repeat(" END", 20_000),
	"SELECT 1 WHERE 1 IN (" + strings.Repeat("1,", 300_000) + "1)",
	strings.Repeat("SELECT * FROM (", 5_000) + "SELECT 1" + strings.Repeat(") t", 5_000),
	"SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", 20_000),
	"WITH a AS (SELECT 1 x)" + strings.Repeat(", a AS (SELECT 1)", 1) + " SELECT 1",
}

// bombCodes are how they may end: out of time, memory or space, too much, refused, or
// rightly.
func isBombCode(code string) bool {
	return code == "57014" || strings.HasPrefix(code, "53") || strings.HasPrefix(code, "54") || strings.HasPrefix(code, "42") || strings.HasPrefix(code, "22") || code == "0A000"
}

// TestBombs: each statement ends soon after its time, alone and beside another; the
// server is the same process, another tenant's questions are answered meanwhile, no
// temporary space is left, and the tenant's next statement works at once.
//
// All of them take an hour: without STACKHOUSE_BOMBS=all, every seventh goes off, with
// two seconds instead of ten.
func TestBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	t.Parallel()
	every, timeout := 7, 2*time.Second
	if os.Getenv("STACKHOUSE_BOMBS") == "all" {
		every, timeout = 1, 10*time.Second
	}
	dir := t.TempDir()
	s := serveInProcess(t, dir, "--memory=8GiB", "--no-self-profiling", "--sql.temp-bytes=256MiB", "--log.level=warn")
	s.push(t, "bombed", 7)
	bomber, probe := s.pg(t, "anonymous"), s.pg(t, "other")
	settle := func() {
		_, _ = bomber.Exec(t.Context(), fmt.Sprintf("SET statement_timeout = %d", timeout.Milliseconds()))
	}
	settle()

	idle := measureProbe(t, probe, 50)
	var mu sync.Mutex
	var beside []time.Duration
	stop := make(chan struct{})
	var probing sync.WaitGroup
	probing.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			took := measureProbe(t, probe, 1)
			mu.Lock()
			beside = append(beside, took...)
			mu.Unlock()
		}
	})

	deadline := timeout + 2*time.Second
	for i, text := range bombs {
		if i%every != 0 {
			continue
		}
		began := time.Now()
		code := explode(t.Context(), bomber, text)
		took := time.Since(began)
		assert.True(t, isBombCode(code), "%.80s: ended with %q", text, code)
		assert.Less(t, took, deadline+slack, "%.80s", text)
		began = time.Now()
		var one int
		require.NoError(t, bomber.QueryRow(t.Context(), "SELECT 1").Scan(&one), "%.80s", text)
		assert.Less(t, time.Since(began), time.Second+slack, "%.80s", text)
	}
	pair := s.pg(t, "anonymous")
	_, err := pair.Exec(t.Context(), fmt.Sprintf("SET statement_timeout = %d", timeout.Milliseconds()))
	require.NoError(t, err)
	for i := 0; i+1 < len(bombs); i += 2 * every {
		var both sync.WaitGroup
		for n, conn := range []*pgx.Conn{bomber, pair} {
			both.Go(func() {
				code := explode(t.Context(), conn, bombs[i+n])
				assert.True(t, isBombCode(code), "%.80s, beside another: ended with %q", bombs[i+n], code)
			})
		}
		both.Wait()
	}
	close(stop)
	probing.Wait()
	slices.Sort(beside)
	t.Logf("probe of another tenant: idle p50 %s p99 %s; beside the bombs p50 %s p99 %s of %d",
		idle[len(idle)/2], idle[len(idle)*99/100], beside[len(beside)/2], beside[len(beside)*99/100], len(beside))
	require.NoError(t, bomber.Close(t.Context()))
	require.NoError(t, pair.Close(t.Context()))
	require.NoError(t, probe.Close(t.Context()))
	require.Equal(t, exitOK, s.stop())
	left, err := filepath.Glob(filepath.Join(dir, "tmp", "worker-*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

// slack is for machines that are busy with other tests.
const slack = 5 * time.Second

// explode runs a statement to its end and returns its SQLSTATE, 00000 if it was right.
func explode(ctx context.Context, conn *pgx.Conn, text string) string {
	rows, err := conn.Query(ctx, text, pgx.QueryExecModeSimpleProtocol)
	if err == nil {
		for n := 0; rows.Next() && n < 1_000_000; n++ {
		}
		rows.Close()
		err = rows.Err()
	}
	var pe *pgconn.PgError
	switch {
	case err == nil:
		return "57014" // whoever reads no more has canceled it
	case errors.As(err, &pe):
		return pe.Code
	}
	return err.Error()
}

// measureProbe asks for a right answer, n times.
func measureProbe(t *testing.T, conn *pgx.Conn, n int) (took []time.Duration) {
	t.Helper()
	for range n {
		began := time.Now()
		var got int64
		if !assert.NoError(t, conn.QueryRow(t.Context(), "SELECT 40 + count(*) FROM samples").Scan(&got)) {
			return took
		}
		assert.Equal(t, int64(40), got)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took
}

// pg connects to the Postgres endpoint as a tenant.
func (s *inProcess) pg(t *testing.T, tenant string) *pgx.Conn {
	t.Helper()
	m := regexp.MustCompile(`psql -h (\S+) -p (\d+)`).FindStringSubmatch(s.stdout.String())
	require.NotNil(t, m)
	conn, err := pgx.Connect(t.Context(), fmt.Sprintf("host=%s port=%s user=tester dbname=%s sslmode=disable", m[1], m[2], tenant))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}
