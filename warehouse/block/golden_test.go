package block

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the texts of the golden files")

// TestGoldenFiles opens files of the first version. They are never written
// again; -update rewrites only the text of their rows.
func TestGoldenFiles(t *testing.T) {
	t.Parallel()
	for _, table := range Tables() {
		t.Run(table.String(), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile("testdata/v1/" + TableName(table))
			require.NoError(t, err)
			require.NoError(t, Check(data, table, 5))
			var text strings.Builder
			for _, row := range openDuck(t, data).query(t, "SELECT COLUMNS(*)::VARCHAR FROM read_parquet(FILE)") {
				text.WriteString(strings.Join(row, " · ") + "\n")
			}
			name := "testdata/v1/" + table.String() + ".txt"
			if *update {
				require.NoError(t, os.WriteFile(name, []byte(text.String()), 0o600))
			}
			want, err := os.ReadFile(name)
			require.NoError(t, err)
			require.Equal(t, string(want), text.String())
		})
	}
}
