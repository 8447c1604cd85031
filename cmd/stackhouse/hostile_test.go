package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hostile returns statements that try to get at what is not the tenant's: files,
// settings, the engine, other tenants. secret is a file that nobody may read, out one
// that nobody may write, other the name of another tenant.
func hostile(secret, out, other string) (texts []string) {
	for _, file := range []string{secret, "/etc/passwd", "/proc/self/environ", "../../../etc/hostname"} {
		for _, reader := range []string{
			"read_text", "read_blob", "read_csv", "read_csv_auto", "sniff_csv", "read_json", "read_json_auto", "read_json_objects", "read_ndjson",
			"read_ndjson_auto", "read_ndjson_objects", "read_parquet", "parquet_scan", "parquet_metadata", "parquet_schema", "parquet_kv_metadata",
			"parquet_file_metadata", "glob",
		} {
			texts = append(texts, fmt.Sprintf("SELECT * FROM %s('%s')", reader, file))
		}
		texts = append(texts,
			fmt.Sprintf("SELECT * FROM '%s'", file), fmt.Sprintf("FROM '%s'", file), fmt.Sprintf("TABLE \"%s\"", file), fmt.Sprintf("SUMMARIZE '%s'", file),
			fmt.Sprintf("SELECT (SELECT content FROM read_text('%s'))", file), fmt.Sprintf("SELECT * FROM samples, read_text('%s')", file),
			fmt.Sprintf("SELECT list_transform([1], x -> (SELECT content FROM read_text('%s')))", file),
			fmt.Sprintf("WITH RECURSIVE r AS (SELECT content FROM read_text('%s') UNION ALL SELECT * FROM r) SELECT * FROM r LIMIT 1", file),
			fmt.Sprintf("COPY samples FROM '%s'", file), fmt.Sprintf("ATTACH '%s' AS x", file), fmt.Sprintf("LOAD '%s'", file),
			fmt.Sprintf("EXPLAIN ANALYZE SELECT * FROM read_text('%s')", file),
		)
	}
	for _, to := range []string{out, "/tmp/stackhouse-hostile", "/dev/shm/stackhouse-hostile"} {
		texts = append(texts, fmt.Sprintf("COPY (SELECT 1) TO '%s'", to), fmt.Sprintf("COPY samples TO '%s' (FORMAT parquet)", to),
			fmt.Sprintf("EXPORT DATABASE '%s'", to), fmt.Sprintf("SELECT * FROM samples INTO OUTFILE '%s'", to), fmt.Sprintf("SET temp_directory = '%s'", to))
	}
	for _, name := range []string{"\"%s\"", "\"%s\".public", "\"%s\".main"} {
		of := fmt.Sprintf(name, other)
		texts = append(texts, "SELECT * FROM "+of+".samples", "SELECT * FROM "+of+".profiles", "SELECT * FROM "+of+".series", "SELECT value FROM "+of+".samples WHERE true")
	}
	return append(texts,
		"SELECT * FROM flamegraph('process_cpu:cpu:nanoseconds:cpu:nanoseconds{} UNION', '2020-01-01', '2030-01-01')",
		"SELECT getenv('HOME')", "SELECT current_setting('temp_directory')", "SELECT getvariable('transaction_time')", "SELECT * FROM duckdb_settings()",
		"SELECT * FROM duckdb_secrets()", "SELECT * FROM duckdb_databases()", "SELECT * FROM duckdb_views()", "SELECT * FROM duckdb_logs()",
		"SELECT * FROM duckdb_temporary_files()", "SELECT * FROM duckdb_functions()", "SELECT * FROM duckdb_tables", "SELECT * FROM sqlite_master",
		"PRAGMA database_list", "PRAGMA show_tables", "PRAGMA disable_optimizer", "PRAGMA enable_profiling", "CALL enable_logging()", "CALL truncate_duckdb_logs()",
		"ATTACH ':memory:' AS x", "DETACH memory", "USE memory", "CHECKPOINT", "FORCE CHECKPOINT", "INSTALL httpfs", "LOAD httpfs", "INSTALL postgres FROM community",
		"CREATE TABLE x(a INT)", "CREATE VIEW x AS SELECT 1", "CREATE MACRO sum(x) AS 42", "CREATE OR REPLACE MACRO count(x) AS 42", "CREATE FUNCTION f(x) AS 1",
		"CREATE SECRET x (TYPE S3)", "CREATE SEQUENCE s", "CREATE TYPE t AS ENUM ('a')", "CREATE SCHEMA x", "DROP VIEW samples", "DROP SCHEMA public CASCADE",
		"ALTER TABLE samples RENAME TO x", "INSERT INTO samples SELECT * FROM samples", "UPDATE samples SET value = 1", "DELETE FROM samples", "TRUNCATE samples",
		"COMMENT ON TABLE samples IS 'x'", "MERGE INTO samples USING series ON true WHEN MATCHED THEN DELETE", "VACUUM", "ANALYZE samples",
		"SELECT query('SELECT 1')", "SELECT * FROM query('SELECT 1')", "SELECT * FROM query_table('samples')", "SELECT json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
		"SELECT * FROM pg_read_file('/etc/passwd')", "SELECT pg_ls_dir('/')", "SELECT lo_import('/etc/passwd')", "SELECT dblink('host=x')", "COPY samples FROM PROGRAM 'id'",
		"SELECT nextval('x')", "SELECT write_log('x')", "SELECT current_query()", "SELECT * FROM pgcat.data.pg_class", "SELECT * FROM call.flamegraph",
		"SELECT 1; SELECT * FROM read_text('/etc/passwd')", "SELECT 1; COPY (SELECT 1) TO '"+out+"'", "SELECT 1; ATTACH ':memory:' AS x",
		"SELECT /* x */ * FROM read_text /* y */ ('/etc/passwd')", "SELECT * FROM \"read_text\"('/etc/passwd')", "SELECT * FROM READ_TEXT('/etc/passwd')",
		"SELECT * FROM main.read_text('/etc/passwd')", "SELECT * FROM system.main.read_text('/etc/passwd')", "SELECT '/etc/passwd'.read_text()",
		"SELECT * FROM 'https://example.com/x.parquet'", "SELECT * FROM 's3://bucket/x.parquet'", "SELECT * FROM read_parquet('http://169.254.169.254/latest')",
		"SELECT * FROM sql_auto_complete('SEL')", "SELECT * FROM test_all_types()", "EXECUTE nothing", "PREPARE x AS SELECT * FROM read_text('/etc/passwd')",
		"DECLARE c CURSOR FOR SELECT * FROM read_text('/etc/passwd')", "SET threads = 1", "SET GLOBAL enable_external_access = true", "RESET memory_limit",
		"SET lock_configuration = false", "SET allowed_directories = ['/']", "SET home_directory = '/'", "SET search_path = 'system.main'; SELECT * FROM duckdb_settings()",
	)
}

// harmless are hostile texts that may end well: what clients set, and have no effect
// on anything.
func harmless(text string) bool { return strings.HasPrefix(text, "SET search_path") }

// TestHostileStatements: over both protocols none of them gets anything, and the
// session goes on.
func TestHostileStatements(t *testing.T) {
	t.Parallel()
	dir, folder := t.TempDir(), t.TempDir()
	secret, out := filepath.Join(folder, "secret.csv"), filepath.Join(folder, "out.csv")
	require.NoError(t, os.WriteFile(secret, []byte("a\ncanary-4711\n"), 0o600))
	s := serveInProcess(t, dir, "--no-self-profiling", "--log.level=warn")
	s.push(t, "canary-4711", 7) // of the default tenant
	conn := s.pg(t, "attacker")
	texts := hostile(secret, out, "anonymous")
	require.GreaterOrEqual(t, len(texts), 150)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheDescribe} {
		for _, text := range texts {
			got, err := everyValue(t, conn, text, mode)
			assert.NotContains(t, got, "canary-4711", "%s: %.100s", mode, text)
			assert.NotContains(t, got, "root:", "%s: %.100s", mode, text)
			if !harmless(text) {
				assert.Error(t, err, "%s: %.100s gave %.100s", mode, text, got)
			}
			if err != nil {
				assert.NotContains(t, err.Error(), "canary-4711", "%s: %.100s", mode, text)
				assert.NotContains(t, err.Error(), dir, "%s: %.100s", mode, text)
			}
			var one int
			require.NoError(t, conn.QueryRow(t.Context(), "SELECT 1", mode).Scan(&one), "after %.100s", text)
		}
	}
	require.NoFileExists(t, out)
	require.NoFileExists(t, "/tmp/stackhouse-hostile")
	require.NoFileExists(t, "/dev/shm/stackhouse-hostile")
	got, err := everyValue(t, s.pg(t, "anonymous"), "SELECT service_name, sum(value) FROM samples GROUP BY 1", pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
	assert.Contains(t, got, "canary-4711", "the control: the tenant itself sees it")
}

// everyValue runs a statement and returns its values as text.
func everyValue(t *testing.T, conn *pgx.Conn, text string, mode pgx.QueryExecMode) (string, error) {
	t.Helper()
	rows, err := conn.Query(t.Context(), text, mode)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return b.String(), err
		}
		fmt.Fprintln(&b, values...)
	}
	return b.String(), rows.Err()
}
