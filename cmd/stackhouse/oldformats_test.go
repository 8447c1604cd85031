package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/sql/sqltest"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
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

// requireWithin requires that everything in the recorded JSON is in the other: a
// later release may tell more, and nothing otherwise.
func requireWithin(t *testing.T, recorded, got any, path string) {
	t.Helper()
	switch want := recorded.(type) {
	case map[string]any:
		has, ok := got.(map[string]any)
		require.True(t, ok, path)
		for name, value := range want {
			require.Contains(t, has, name, path)
			requireWithin(t, value, has[name], path+"."+name)
		}
	case []any:
		has, ok := got.([]any)
		require.True(t, ok, path)
		require.Len(t, has, len(want), path)
		for i := range want {
			requireWithin(t, want[i], has[i], path+"["+strconv.Itoa(i)+"]")
		}
	default:
		require.Equal(t, recorded, got, path)
	}
}

// requireRecorded compares what a command printed, JSON values, with a recorded file.
func requireRecorded(t *testing.T, file, printed string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	want, got := json.NewDecoder(bytes.NewReader(text)), json.NewDecoder(strings.NewReader(printed))
	want.UseNumber()
	got.UseNumber()
	for i := 0; ; i++ {
		var a, b any
		err := want.Decode(&a)
		require.Equal(t, err, got.Decode(&b), "%s, value %d", file, i)
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		requireWithin(t, a, b, file+"#"+strconv.Itoa(i))
	}
}

// succeed runs a command that must succeed and returns what it printed.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	r := command(t, nil, args...)
	require.Equal(t, exitOK, r.status, r.stdout+r.stderr)
	return r.stdout
}

// TestOldFormatsAreRead: what old releases wrote is read as it was, and is sound.
func TestOldFormatsAreRead(t *testing.T) {
	t.Parallel()
	const testdata = "../../testdata"
	t.Run("data directory 1", func(t *testing.T) {
		t.Parallel()
		dir := oldDataDir(t)
		before := hashOf(t, dir)
		dumps := testdata + "/datadir/v1/dumps/"
		requireRecorded(t, dumps+"metastore.json", succeed(t, "metastore", "dump", "--json", "--data-dir", dir))
		requireRecorded(t, dumps+"blocks.jsonl", succeed(t, "block", "ls", "--json", "--data-dir", dir))
		requireRecorded(t, dumps+"segments.jsonl", succeed(t, "segment", "ls", "--json", "--data-dir", dir))
		require.Contains(t, succeed(t, "metastore", "check", "--deep", "--data-dir", dir), "ok ")
		require.Contains(t, succeed(t, "block", "check", "--all", "--data-dir", dir), "ok definitions: 5 hours of 16 parts")
		require.Contains(t, succeed(t, "segment", "check", "--all", "--data-dir", dir), "ok definitions: 5 hours of 16 parts")
		require.Equal(t, before, hashOf(t, dir), "looking changes nothing")
	})
	t.Run("metastore 2", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, formatFile), []byte(formats{"block": 1, "directory": 1}.String()), 0o600))
		require.NoError(t, os.CopyFS(filepath.Join(dir, metastoreDir), os.DirFS(testdata+"/metastore/v2/directory")))
		before := hashOf(t, dir)
		requireRecorded(t, testdata+"/metastore/v2/dump.json", succeed(t, "metastore", "dump", "--json", "--data-dir", dir))
		require.Equal(t, before, hashOf(t, dir))
	})
	t.Run("block 1", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(testdata, "block/v1/blocks/anonymous/2026-11-24/10/01M89E6RZZ0D72SE2H75GYP34G")
		requireRecorded(t, testdata+"/block/v1/show.json", succeed(t, "block", "show", "--json", dir))
		for _, table := range block.Tables() {
			requireRecorded(t, testdata+"/block/v1/"+table.String()+".jsonl", succeed(t, "block", "dump", dir, "--table", table.String()))
		}
		require.Contains(t, succeed(t, "block", "check", dir), "ok blocks/anonymous/2026-11-24/10/")
	})
	t.Run("segment 1", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(testdata, "segment/v1/segments/0/01M89E6RDVRF4ZQ0W201RNQFAX.seg")
		text, err := os.ReadFile(testdata + "/segment/v1/show.json")
		require.NoError(t, err)
		printed := strings.Replace(succeed(t, "segment", "show", "--json", path), path, "segments/0/01M89E6RDVRF4ZQ0W201RNQFAX.seg", 1)
		require.JSONEq(t, string(text), printed)
		require.Contains(t, succeed(t, "segment", "check", path), "ok ")
	})
}

// hashOf returns the names and bytes of all files in a directory, hashed.
func hashOf(t testing.TB, dir string) string {
	t.Helper()
	h := sha256.New()
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fmt.Fprintln(h, strings.TrimPrefix(path, dir), e.Type())
		if !e.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		_, _ = h.Write(data)
		return err
	}))
	return hex.EncodeToString(h.Sum(nil))
}
