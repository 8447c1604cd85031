package statement

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRefused holds statements that must not run, each with its SQLSTATE.
func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(3, 60)
	s := w.service(nil)
	secret := filepath.Join(t.TempDir(), "secret.csv")
	require.NoError(t, os.WriteFile(secret, []byte("canary\n1\n"), 0o600))
	must(t, s, "SELECT count(*) FROM samples") // brings a file of each kind into the folder that may be read
	other := sectionOf(t, w, tenantB)
	out := filepath.Join(t.TempDir(), "out.csv")

	tests := []struct{ state, text string }{
		// files
		{"42P01", "SELECT * FROM '" + secret + "'"},
		{"42P01", "SELECT * FROM '" + other + "'"},
		{"42P01", `SELECT * FROM "` + other + `"`},
		{"42501", "SELECT * FROM read_csv('" + secret + "')"},
		{"42501", "SELECT * FROM read_text('" + secret + "')"},
		{"42501", "SELECT * FROM READ_BLOB('" + secret + "')"},
		{"42501", "SELECT * FROM read_parquet('" + other + "')"},
		{"42501", "SELECT * FROM parquet_scan(['" + other + "'])"},
		{"42501", "SELECT * FROM parquet_metadata('" + other + "')"},
		{"42501", "SELECT * FROM parquet_schema('" + other + "')"},
		{"42501", "SELECT * FROM parquet_kv_metadata('" + other + "')"},
		{"42501", "SELECT * FROM glob('/*')"},
		{"42501", "SELECT * FROM sniff_csv('" + secret + "')"},
		{"42501", "SELECT * FROM read_json_auto('" + secret + "')"},
		{"42501", "SELECT * FROM read_csv_auto('" + secret + "')"},
		{"42501", "SELECT * FROM read_json('" + secret + "')"},
		{"42501", "SELECT * FROM read_ndjson('" + secret + "')"},
		{"42501", "IMPORT DATABASE '" + filepath.Dir(secret) + "'"},
		{"42501", "EXPORT DATABASE '" + filepath.Dir(out) + "'"},
		{"25006", "COPY samples FROM '" + secret + "'"},
		{"42501", "WITH x AS (SELECT * FROM read_text('" + secret + "')) SELECT * FROM x"},
		{"42501", "SELECT (SELECT content FROM read_text('" + secret + "'))"},
		{"42P01", "WITH \"" + secret + "\" AS (SELECT * FROM \"" + secret + "\") SELECT 1"},
		{"42P01", "SELECT * FROM (WITH \"" + secret + "\" AS (SELECT 1) SELECT 2), \"" + secret + "\""},
		{"42P01", "SUMMARIZE '" + secret + "'"},
		{"42P01", "DESCRIBE '" + secret + "'"},
		{"42501", "SELECT * REPLACE (getenv('HOME') AS service_name) FROM samples"},
		{"42501", "SELECT getenv('PATH')"},
		{"42501", "SELECT sum(value) FILTER (getenv('PATH') = '') FROM samples"},
		{"42501", "SELECT list_transform([1], x -> getenv('PATH'))"},
		{"42501", "SELECT rank() OVER (ORDER BY getenv('PATH')) FROM samples"},
		{"42501", "VALUES (getenv('PATH'))"},
		{"42501", "SELECT 1 ORDER BY getenv('PATH')"},
		{"42501", "SELECT 1 LIMIT (SELECT length(getenv('PATH')))"},
		{"42501", "SELECT CASE WHEN true THEN getenv('PATH') END"},
		// writing and copying
		{"25006", "COPY (SELECT 1) TO '" + out + "'"},
		{"25006", "COPY samples TO '" + out + "' (FORMAT parquet)"},
		{"25006", "CREATE TABLE x(a INT)"},
		{"25006", "CREATE VIEW x AS SELECT 1"},
		{"25006", "CREATE MACRO sum(x) AS 42"},
		{"25006", "CREATE TEMP TABLE x AS SELECT 1"},
		{"25006", "INSERT INTO samples SELECT * FROM samples"},
		{"25006", "UPDATE samples SET value = 1"},
		{"25006", "DELETE FROM samples"},
		{"25006", "DROP VIEW samples"},
		{"25006", "ALTER TABLE samples RENAME TO x"},
		{"25006", "TRUNCATE samples"},
		{"25006", "COMMENT ON TABLE samples IS 'x'"},
		{"25006", "VACUUM"},
		{"25006", "WITH x AS (SELECT 1) INSERT INTO samples SELECT * FROM samples"},
		// the instance
		{"42501", "ATTACH ':memory:' AS x"},
		{"42501", "ATTACH '" + out + "' AS x"},
		{"42501", "DETACH memory"},
		{"42501", "INSTALL httpfs"},
		{"42501", "LOAD httpfs"},
		{"42501", "SET threads = 1"},
		{"42501", "SET GLOBAL enable_external_access = true"},
		{"42501", "RESET threads"},
		{"42501", "PRAGMA database_list"},
		{"42501", "PRAGMA enable_profiling"},
		{"42501", "CALL enable_logging()"},
		{"42501", "CHECKPOINT"},
		{"42501", "USE memory"},
		{"42501", "EXPORT DATABASE '" + out + "'"},
		{"42501", "IMPORT DATABASE '" + out + "'"},
		{"42501", "SELECT * FROM duckdb_settings()"},
		{"42501", "SELECT * FROM duckdb_secrets()"},
		{"42501", "SELECT * FROM duckdb_logs()"},
		{"42501", "SELECT * FROM duckdb_databases()"},
		{"42501", "SELECT * FROM duckdb_views()"},
		{"42501", "SELECT * FROM pragma_table_info('samples')"},
		{"42501", "SELECT current_query()"},
		{"42501", "SELECT getvariable('transaction_time')"},
		{"42501", "SELECT write_log('x')"},
		{"42501", "SELECT json_execute_serialized_sql(json_serialize_sql('SELECT 1'))"},
		{"42501", "SELECT * FROM query('SELECT 1')"},
		{"42501", "SELECT * FROM query_table('samples')"},
		{"42501", "SELECT * FROM sql_auto_complete('SEL')"},
		{"42501", "SELECT * FROM test_all_types()"},
		{"42501", "SELECT nextval('x')"},
		{"42501", "SELECT system.main.now()"},
		{"42501", "SELECT main.now()"},
		{"42501", "SELECT * FROM samples WHERE time < MAIN.today()"},
		{"25006", "COPY samples FROM '" + secret + "'"},
		{"25006", "CREATE SECRET x (TYPE S3)"},
		{"42601", "WITH x AS (DELETE FROM samples RETURNING *) SELECT * FROM x"},
		{"42P01", "SELECT * FROM 'https://example.com/x.parquet'"},
		{"42501", "SELECT * FROM pragma_version()"},
		{"42P01", "SELECT * FROM duckdb_columns"},
		{"0A000", "SELECT * FROM system.main.duckdb_settings"},
		{"42704", "SELECT current_setting('temp_directory')"},
		{"0A000", "PIVOT samples ON service_name USING sum(value)"},
		{"0A000", "SHOW TABLES"},
		{"0A000", "SHOW ALL TABLES"},
		{"0A000", "DESCRIBE"},
		// names of others
		{"0A000", `SELECT * FROM "Temp".public.samples`},
		{"0A000", "SELECT * FROM other.public.samples"},
		{"42P01", `SELECT * FROM "Temp_".samples`},
		{"42P01", "SELECT * FROM call.flamegraph"},
		{"42P01", `SELECT * FROM "flamegraph 1"`},
		{"42P01", "SELECT * FROM main.samples"},
		{"42P01", "SELECT * FROM sqlite_master"},
		{"42P01", "SELECT * FROM duckdb_tables"},
		{"0A000", "SELECT * FROM pgcat.data.pg_class"},
		{"42P01", "SELECT * FROM nothing"},
		// more than one statement, or none
		{"42601", "SELECT 1; SELECT 2"},
		{"42601", "SELECT 1; DROP TABLE samples"},
		{"42601", "SELECT 1;; SELECT 2"},
		{"42601", ""},
		{"42601", "-- nothing"},
		{"42601", "SELEC 1"},
		{"42601", "EXPLAIN"},
		{"25006", "EXPLAIN INSERT INTO samples SELECT * FROM samples"},
		{"25006", "EXPLAIN ANALYZE DELETE FROM samples"},
		{"25006", "EXPLAIN ANALYZE COPY (SELECT 1) TO '" + out + "'"},
		// without bounds
		{"42501", "SELECT damerau_levenshtein(repeat('a', 60000), repeat('b', 60000))"},
		{"42501", "SELECT levenshtein('a', 'b')"},
		{"42501", "SELECT sleep_ms(100000)"},
		{"42501", "SELECT * FROM repeat('x', 100000000000)"},
		{"54001", "SELECT repeat('x', 2000000000)"},
		{"54001", "SELECT printf('%2000000000d', 1)"},
		{"54001", "SELECT lpad('x', 2000000000, 'y')"},
		{"54001", "SELECT range(100000000000)"},
		{"54001", "SELECT 1" + strings.Repeat(" + 1", 200)},
		{"54001", "SELECT " + strings.Repeat("(", 20000) + "1" + strings.Repeat(")", 20000)},
		{"54001", "SELECT " + strings.Repeat("NOT ", 15000) + "true"},
		{"54001", strings.Repeat("SELECT * FROM (", 200) + "SELECT 1" + strings.Repeat(")", 200)},
		{"54001", "SELECT " + strings.Repeat("exists(SELECT ", 30) + "1" + strings.Repeat(")", 30)},
		{"54001", "SELECT " + strings.Repeat("list_transform([1], x -> ", 20) + "1" + strings.Repeat(")", 20)},
		{"54001", "SELECT concat(" + strings.Repeat("1, ", 2000) + "1)"},
		{"54001", "SELECT " + strings.Repeat("1, ", 2000) + "1"},
		{"54001", "SELECT 1 IN (" + strings.Repeat("1, ", 20000) + "1)"},
		{"54001", "SELECT 1 FROM samples" + strings.Repeat(", samples", 20)},
		{"54001", doubling(12)},
		{"54001", "SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", 300)},
		{"54000", "SELECT '" + strings.Repeat("x", 70000) + "'"},
		{"22021", "SELECT '\xff'"},
		{"22021", "SELECT '\x00'"},
	}
	for _, tt := range tests {
		e := failure(t, s, tt.text)
		name := tt.text[:min(len(tt.text), 100)]
		assert.Equal(t, tt.state, e.SQLState, "%s: %s", name, e.Message)
		require.NotContains(t, e.Message, "canary", name)
		assert.Contains(t, []warehouse.Kind{warehouse.Invalid, warehouse.Denied, warehouse.Limit}, e.Kind, name)
	}
	require.GreaterOrEqual(t, len(tests), 40)
	require.NoFileExists(t, out)
	require.Equal(t, []string{"3"}, must(t, s, "SELECT sum(x) FROM (VALUES (1), (2)) v(x)"), "nothing lasts")
}

// doubling is a statement that reads a relation 2^n times.
func doubling(n int) string {
	var b strings.Builder
	b.WriteString("WITH a0 AS (SELECT value FROM samples)")
	for i := range n {
		fmt.Fprintf(&b, ", a%d AS (SELECT x.value FROM a%d x, a%d y)", i+1, i, i)
	}
	fmt.Fprintf(&b, " SELECT count(*) FROM a%d", n)
	return b.String()
}

// sectionOf returns the path of a section file of a tenant.
func sectionOf(t *testing.T, w *world, tenant warehouse.Tenant) string {
	t.Helper()
	for _, p := range w.parts {
		if p.Tenant == tenant {
			l, err := w.sections.Acquire(t.Context(), p, warehouse.TableSamples)
			require.NoError(t, err)
			l.Release()
			return l.Path
		}
	}
	t.Fatal("the tenant has nothing")
	return ""
}

// TestAllowed holds statements that look like refused ones and are not.
func TestAllowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(3, 60)
	s := w.service(nil)
	for _, text := range []string{
		"SELECT 'read_csv(''/etc/passwd'')' AS getenv",
		"SELECT 1 -- ; DROP TABLE samples",
		"SELECT 1;",
		"/* COPY */ SELECT \u00a0 1",
		"WITH \"/etc/passwd\" AS (SELECT 1 AS x) SELECT * FROM \"/etc/passwd\"",
		"WITH samples AS (SELECT 5 AS value) SELECT value FROM samples",
		"WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT * FROM r",
		"TABLE series",
		"FROM samples",
		"VALUES (1, 'a')",
		"SELECT * FROM range(3), generate_series(1, 2), unnest([1, 2])",
		"SELECT * EXCLUDE (labels) REPLACE (upper(service_name) AS service_name) FROM series",
		"SELECT COLUMNS('s.*') FROM series",
		"SELECT public.samples.value FROM public.samples",
		`SELECT count(*) FROM "a*'b".public.samples`,
		"SELECT PUBLIC.Samples.VALUE FROM Public.SAMPLES",
		"SELECT * FROM samples TABLESAMPLE 10%",
		"SELECT [x * 2 FOR x IN [1, 2]], {'a': 1}, MAP {'k': 1}, row(1, 2)",
		"SELECT json_extract('{\"a\": 1}', '$.a'), '{\"a\": 1}'::JSON ->> 'a'",
		"SELECT CAST(NULL AS DECIMAL(10, 2)[]), try_cast('x' AS INT)",
		"SELECT extract(epoch FROM now()), now() AT TIME ZONE 'Asia/Tokyo', DATE '2026-01-01' + 1",
		"SELECT regexp_replace('abc', 'b', 'x'), 'abc' LIKE 'a%', 'abc' ILIKE 'A%', 'abc' SIMILAR TO 'a.*', position('b' IN 'abc'), trim(BOTH 'a' FROM 'aba'), substring('abc' FROM 2 FOR 1)",
		"SELECT quantile_cont(value, 0.9), approx_count_distinct(series_id), mode(service_name), arg_max(service_name, value) FROM samples",
		"SELECT lag(value) OVER (ORDER BY time), first_value(value) OVER w, ntile(4) OVER w FROM samples WINDOW w AS (ORDER BY time)",
		"SELECT service_name, grouping(service_name), count(*) FROM samples GROUP BY ROLLUP (service_name)",
		"SELECT 1 WHERE 5 IN (1, 2) OR 3 BETWEEN 1 AND 2 OR NULL IS NULL OR coalesce(NULL, 1) = 1 OR nullif(1, 1) IS NULL",
		"SELECT pg_typeof(1), current_schema(), current_database(), version(), quote_ident('A b'), format_type(20, NULL)",
		"SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_'",
		"SELECT table_name FROM information_schema.tables",
		"EXPLAIN SELECT * FROM samples",
		"EXPLAIN ANALYZE SELECT count(*) FROM samples",
	} {
		_, err := ask(t.Context(), s, session(), text)
		assert.NoError(t, err, text)
	}
}

// TestEveryListedNameIsRefused: each function of refused.txt, as a function and as
// a table function, and the readers of extensions that are not there.
func TestEveryListedNameIsRefused(t *testing.T) {
	t.Parallel()
	s := newWorld(t).service(nil)
	names := map[string]string{}
	for line := range strings.Lines(refusedText) {
		if !strings.HasPrefix(line, "#") {
			for _, name := range strings.Fields(line) {
				names[name] = "42501"
			}
		}
	}
	require.Greater(t, len(names), 100)
	for _, name := range []string{
		"read_xlsx", "st_read", "sqlite_scan", "postgres_scan", "postgres_query", "mysql_scan", "mysql_query", "iceberg_scan", "iceberg_metadata",
		"delta_scan", "load_aws_credentials", "http_get", "shellfs", "read_gsheet", "lance_scan", "vortex_scan", "ducklake_snapshots",
	} {
		names[name] = "42883"
	}
	answered := map[string]bool{ // PostgreSQL's functions, which the catalogue answers itself
		"current_setting": true, "set_config": true, "current_query": true, "pg_sleep": true, "nextval": true, "currval": true,
	}
	for name, state := range names {
		for _, form := range []string{"SELECT * FROM %s('/etc/passwd')", "SELECT %s('/etc/passwd')", "SELECT * FROM samples WHERE value IN (SELECT 1 FROM %s('/etc/passwd'))"} {
			text := fmt.Sprintf(form, name)
			_, err := ask(t.Context(), s, session(), text)
			if err == nil && answered[name] {
				continue
			}
			require.Error(t, err, text)
			var e *Error
			require.ErrorAs(t, err, &e, text)
			if e.SQLState != state && !answered[name] {
				assert.Contains(t, []string{"42501", "42883", "42P01", "42601"}, e.SQLState, "%s: %s", text, e.Message)
			}
			assert.NotEqual(t, warehouse.Internal, warehouse.KindOf(err), "%s: %v", text, err)
		}
	}
}
