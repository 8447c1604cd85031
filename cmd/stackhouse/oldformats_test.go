package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/sql/sqltest"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// unpack returns a copy of a packed directory.
func unpack(t testing.TB, archive string) string {
	t.Helper()
	f, err := os.Open(archive)
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "data")
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		require.NoError(t, err)
		require.True(t, filepath.IsLocal(h.Name), h.Name)
		path := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			require.NoError(t, os.MkdirAll(path, 0o750))
			continue
		}
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, data, 0o640))
	}
}

// oldDataDir returns a copy of the directory of testdata/datadir/v1.
func oldDataDir(t testing.TB) string {
	t.Helper()
	return unpack(t, "../../testdata/datadir/v1/data.tar.gz")
}

// askAll returns the ways to ask as a tenant.
func (o *opened) askAll(t *testing.T, tenant string) map[string]sqltest.Target {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), o.dsn+" dbname="+tenant)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return map[string]sqltest.Target{
		"directly":          direct{o.statements, warehouse.Tenant(tenant)},
		"simple protocol":   simple{conn.PgConn()},
		"the profiling API": profilingAPI{querierv1connect.NewQuerierServiceClient(http.DefaultClient, o.url, asTenant(tenant))},
	}
}

// TestDataDirOfVersion1: the first format's directory answers as it did when it was
// written, also when all of it was merged anew, and after a restart.
func TestDataDirOfVersion1(t *testing.T) {
	scripts, err := sqltest.ReadFolder("../../testdata/datadir/v1/answers")
	require.NoError(t, err)
	dir := oldDataDir(t)
	check := func(t *testing.T, o *opened) {
		for tenant, script := range scripts {
			t.Run(tenant, func(t *testing.T) { require.NoError(t, script.Check(t.Context(), o.askAll(t, tenant))) })
		}
	}
	never := metastore.DefaultPolicy()
	never.MinSegments, never.MaxSegments, never.Quiet, never.LateAge = 1<<20, 1<<20, 1e6*time.Hour, 1e6*time.Hour
	o := runNode(t, dir, never)
	t.Run("as it is", func(t *testing.T) { check(t, o) })
	o.stop()

	all := metastore.DefaultPolicy()
	all.Quiet, all.LateShare, all.LateAge = 0, 1<<20, 0
	o = runNode(t, dir, all)
	o.settle(t, scripted{levels: []uint8{0, 1, warehouse.LevelFinal}}) // the last hour was running when it was written
	t.Run("merged", func(t *testing.T) { check(t, o) })
	o.stop()
	o = runNode(t, dir, never)
	t.Run("after a restart", func(t *testing.T) { check(t, o) })
}
