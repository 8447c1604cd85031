package statement

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestRefused: what is not a question about the tenant's own relations is refused
// with a state that is the client's fault.
func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(1, 50)
	s := w.service(nil)
	for _, text := range []string{
		// Files and the network.
		"SELECT * FROM read_parquet('/etc/passwd')",
		"SELECT * FROM parquet_scan('*.parquet')",
		"SELECT * FROM parquet_metadata('x')",
		"SELECT * FROM read_csv('/etc/passwd')",
		"SELECT * FROM read_csv_auto('/etc/passwd')",
		"SELECT * FROM read_json('/etc/passwd')",
		"SELECT * FROM read_text('/etc/passwd')",
		"SELECT * FROM read_blob('/etc/passwd')",
		"SELECT * FROM sniff_csv('/etc/passwd')",
		"SELECT * FROM glob('/*')",
		"SELECT * FROM '/etc/passwd'",
		`SELECT * FROM "/etc/passwd.csv"`,
		"SELECT * FROM 'https://example.com/x.parquet'",
		"COPY (SELECT 1) TO '/tmp/x'",
		"COPY samples FROM '/tmp/x'",
		"EXPORT DATABASE '/tmp/x'",
		"IMPORT DATABASE '/tmp/x'",
		// Other databases, extensions, settings.
		"ATTACH ':memory:' AS x",
		"ATTACH '/tmp/x.db'",
		"DETACH anonymous",
		"USE memory",
		"INSTALL httpfs",
		"LOAD httpfs",
		"SET threads = 1",
		"SET enable_external_access = true",
		"RESET memory_limit",
		"PRAGMA database_list",
		"PRAGMA disable_optimizer",
		"CALL enable_logging()",
		"CHECKPOINT",
		"VACUUM",
		// Writes and definitions.
		"INSERT INTO samples VALUES (1)",
		"UPDATE samples SET value = 0",
		"DELETE FROM samples",
		"TRUNCATE samples",
		"CREATE TABLE x (a INT)",
		"CREATE TEMP TABLE x AS SELECT 1",
		"CREATE VIEW x AS SELECT 1",
		"CREATE MACRO sum(x) AS 42",
		"CREATE SECRET x (TYPE S3)",
		"DROP VIEW samples",
		"ALTER TABLE samples ADD COLUMN x INT",
		"COMMENT ON TABLE samples IS 'x'",
		"WITH x AS (DELETE FROM samples RETURNING *) SELECT * FROM x",
		// What would tell about, or reach, the process.
		"SELECT getenv('HOME')",
		"SELECT current_setting('temp_directory')",
		"SELECT * FROM duckdb_settings()",
		"SELECT * FROM duckdb_databases()",
		"SELECT * FROM duckdb_logs",
		"SELECT * FROM pragma_version()",
		"SELECT * FROM query('SELECT 1')",
		"SELECT * FROM query_table('samples')",
		"SELECT json_execute_serialized_sql('{}')",
		"SELECT write_log('x')",
		"SELECT * FROM system.main.duckdb_settings",
		`SELECT * FROM "Temp".public.samples`,
		"SELECT * FROM pgcat.data.x",
		// More than one statement, or none.
		"SELECT 1; SELECT 2",
		"SELECT 1; DROP TABLE samples",
		"",
		"-- nothing",
		"SELECT",
		"SELECT FROM WHERE",
	} {
		_, err := ask(t.Context(), s, session(), text)
		var e *Error
		if !assert.ErrorAs(t, err, &e, "%q", text) {
			continue
		}
		assert.Contains(t, []string{"0A", "22", "25", "34", "3D", "3F", "42", "54"}, e.SQLState[:2], "%q: %s %v", text, e.SQLState, e)
		assert.NotEmpty(t, e.Message, text)
	}
	assert.Len(t, must(t, s, "SELECT 1 FROM samples LIMIT 1"), 1, "a question still works")
}
