package main

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/sql/sqltest"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// secondly are profiles of one sample each, a second apart.
func secondly(t *testing.T, n int) (out []sqltest.Profile) {
	t.Helper()
	typ, err := warehouse.ParseProfileType(cpuType)
	require.NoError(t, err)
	for i := range n {
		out = append(out, sqltest.Profile{
			Second: int64(i), Type: typ, Labels: map[string]string{"service_name": "cart"},
			Samples: []sqltest.Sample{{Value: 1, Stack: []string{"main"}}},
		})
	}
	return out
}

// ask returns the rows of a statement, cells separated by a bar.
func (o *opened) ask(t *testing.T, tenant, text string) (out []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), o.dsn+" dbname="+tenant)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	results, err := conn.PgConn().Exec(t.Context(), text).ReadAll()
	require.NoError(t, err, text)
	for _, row := range results[0].Rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = string(c)
		}
		out = append(out, strings.Join(cells, "|"))
	}
	return out
}

// statusPage returns the page /status.
func (o *opened) statusPage(t *testing.T) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.url+"/status", nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body)
}

// policies returns one that merges nothing, and one that makes everything final.
func policies() (never, final metastore.Policy) {
	never = metastore.DefaultPolicy()
	never.MinSegments, never.MaxSegments, never.Quiet = 1<<20, 1<<20, time.Hour
	final = never
	final.Quiet = 0
	return never, final
}

const countParts = "SELECT (SELECT count(*) FROM system.segments), (SELECT count(*) FROM system.blocks), (SELECT count(*) FROM system.jobs)"

// TestSystemFollowsCompaction: segments become a block, which SQL and the page show.
func TestSystemFollowsCompaction(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	never, final := policies()
	o := runNode(t, dir, never)
	for _, p := range secondly(t, 3) {
		pushProfiles(t, o.url, "a", []sqltest.Profile{p})
	}
	pushProfiles(t, o.url, "b", secondly(t, 1))
	require.Equal(t, []string{"3|0|0"}, o.ask(t, "a", countParts))
	require.Equal(t, []string{"1|0|0"}, o.ask(t, "b", countParts))
	require.Equal(t, []string{"0|0|0"}, o.ask(t, "c", countParts))
	page := o.statusPage(t)
	require.Contains(t, page, `<td>0</td><td>segments</td><td class="n">4</td><td class="n">2</td>`)
	require.Contains(t, page, "<dt>Write amplification</dt><dd>1.00</dd>")
	require.Contains(t, page, "No jobs: nothing is to be merged now.")
	o.stop()

	o = runNode(t, dir, final)
	o.settle(t, scripted{levels: []uint8{3}})
	require.Equal(t, []string{"0|1|0"}, o.ask(t, "a", countParts))
	require.Equal(t, []string{"3|2026-03-01 10:00:00+00|2026-03-01 10:00:02+00|3|t|{cart}|t"},
		o.ask(t, "a", `SELECT level, "from", "to", rows, bytes > 0, services, created > now() - INTERVAL 5 MINUTE FROM system.blocks`))
	page = o.statusPage(t)
	require.Contains(t, page, `<td>3</td><td>final blocks</td><td class="n">2</td><td class="n">2</td>`)
	require.NotContains(t, page, "<td>segments</td>")
	require.Contains(t, page, "<dt>Write amplification</dt><dd>–</dd>", "this process has stored no segment")
	require.NotContains(t, page, "blocks made of them <b>0 B</b>")
}

// TestSystemShowsFailures: a job that cannot be done says why, to its tenant.
func TestSystemShowsFailures(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	never, final := policies()
	o := runNode(t, dir, never)
	for _, p := range secondly(t, 2) {
		pushProfiles(t, o.url, "a", []sqltest.Profile{p})
	}
	o.stop()
	removeFiles(t, filepath.Join(dir, bucketDir))
	removeFiles(t, filepath.Join(dir, cacheDir))

	o = runNode(t, dir, final)
	require.Eventually(t, func() bool {
		return len(o.ask(t, "a", "SELECT 1 FROM system.jobs WHERE failures > 0")) > 0
	}, 60*time.Second, 20*time.Millisecond)
	require.Equal(t, []string{"3|2026-03-01 10:00:00+00|2|t|waiting||1|1|t|t"}, o.ask(t, "a",
		"SELECT level, hour, len(inputs), bytes > 0, state, worker, attempts, failures, length(reason) > 0, failed_at >= since FROM system.jobs"))
	require.Equal(t, []string{"2"}, o.ask(t, "a", "SELECT count(*) FROM system.segments WHERE object IN (SELECT unnest(inputs) FROM system.jobs)"))
	require.Empty(t, o.ask(t, "b", "SELECT * FROM system.jobs"))
	page := o.statusPage(t)
	require.Contains(t, page, `<span class="chip">waiting</span></td><td>a</td>`)
	require.Contains(t, page, "<dt>Jobs waiting</dt><dd>1</dd>")
}

// removeFiles removes all files below a folder.
func removeFiles(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Remove(path)
	}))
}

func TestJobStates(t *testing.T) {
	for want, j := range map[string]metastore.JobInfo{
		"waiting": {}, "running": {Token: 1}, "set aside": {SetAside: true},
	} {
		require.Equal(t, want, string(jobState(&j)))
	}
}
