package compactor

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2" // for the comparison
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// BenchmarkCopy is BenchmarkMerge's samples by DuckDB, on one thread: read, sort and
// write, without the index, definitions, totals and checks of a merge.
//
//	go test -tags duckdb_arrow -run - -bench 'Merge|Copy' ./compactor
func BenchmarkCopy(b *testing.B) {
	w, rows := mergeWorld(b)
	dir := b.TempDir()
	var files []string
	for i, in := range w.parts {
		data, err := in.Data(warehouse.TableSamples)
		require.NoError(b, err)
		name := filepath.Join(dir, fmt.Sprintf("%d.parquet", i))
		require.NoError(b, os.WriteFile(name, data, 0o600))
		files = append(files, "'"+name+"'")
	}
	db, err := sql.Open("duckdb", "")
	require.NoError(b, err)
	defer db.Close()
	_, err = db.ExecContext(b.Context(), "SET threads = 1")
	require.NoError(b, err)
	out := filepath.Join(dir, "out.parquet")
	statement := fmt.Sprintf(`COPY (SELECT * FROM read_parquet([%s])
		ORDER BY service_name, profile_type, series_id, time, profile_id, stacktrace_id)
		TO '%s' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 491520)`, strings.Join(files, ", "), out)
	for b.Loop() {
		_, err := db.ExecContext(b.Context(), statement)
		require.NoError(b, err)
	}
	report(b, rows)
	info, err := os.Stat(out)
	require.NoError(b, err)
	b.ReportMetric(float64(info.Size())/float64(rows), "B/row")
}
