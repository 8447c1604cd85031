package main

import (
	"bytes"
	encoding "encoding/binary" // the tests of the built program have a variable of the other name
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/metastore/state"
)

func editFile(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, change(data), 0o600))
}

func castagnoliOf(parts ...[]byte) (sum uint32) {
	for _, p := range parts {
		sum = crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), p)
	}
	return sum
}

// TestNewerFormatsAreRefused: what a newer program wrote, of each kind of thing that
// is stored, is refused by name and with both versions, and stays as it is.
func TestNewerFormatsAreRefused(t *testing.T) {
	t.Parallel()
	const (
		blockDir = "bucket/blocks/anonymous/2026-11-24/10/01M89E6RZZ0D72SE2H75GYP34G"
		segment  = "bucket/segments/0/01M89E6RDVRF4ZQ0W201RNQFAX.seg"
	)
	serve := []string{"serve", "--http.listen=127.0.0.1:0", "--peer.listen=127.0.0.1:0", "--pg.listen=127.0.0.1:0", "--memory=1GiB", "--no-self-profiling", "--data-dir=DIR"}
	newest := 1 // format of a metastore
	for dir := t.TempDir(); ; newest++ {
		text := fmt.Sprintf("stackhouse metastore\nformat %d\nnode node-1\nsince 2026-03-01T11:00:00Z\n", newest+1)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "FORMAT"), []byte(text), 0o600))
		if metastore.CheckVersions(dir) != nil {
			break
		}
	}
	everyone := [][]string{
		serve, {"metastore", "dump", "--data-dir=DIR"}, {"metastore", "check", "--data-dir=DIR"}, {"block", "ls", "--data-dir=DIR"},
		{"block", "check", "--all", "--data-dir=DIR"}, {"segment", "ls", "--data-dir=DIR"}, {"segment", "check", "--all", "--data-dir=DIR"},
	}
	tests := []struct {
		name     string
		change   func(t *testing.T, dir string)
		commands [][]string
		want     []string
	}{
		{"data directory", func(t *testing.T, dir string) {
			editFile(t, filepath.Join(dir, formatFile), func(b []byte) []byte { return bytes.Replace(b, []byte("directory 1"), []byte("directory 2"), 1) })
		}, everyone, []string{"data directory DIR", "directory format 2, this one reads up to 1"}},
		{"blocks of a data directory", func(t *testing.T, dir string) {
			editFile(t, filepath.Join(dir, formatFile), func(b []byte) []byte { return bytes.Replace(b, []byte("block 1"), []byte("block 2"), 1) })
		}, everyone, []string{"data directory DIR", "block format 2, this one reads up to 1"}},
		{"metastore", func(t *testing.T, dir string) {
			editFile(t, filepath.Join(dir, metastoreDir, "FORMAT"), func(b []byte) []byte {
				return bytes.Replace(b, []byte("format 2"), fmt.Appendf(nil, "format %d", newest+1), 1)
			})
		}, everyone, []string{"metastore DIR/metastore", fmt.Sprintf("its format is %d, this build reads 1 to %d", newest+1, newest)}},
		{"snapshot", func(t *testing.T, dir string) {
			golden, err := os.ReadFile("../../testdata/metastore/v2/directory/snapshots/2-29-1795613200297/state.bin")
			require.NoError(t, err)
			for n := encoding.LittleEndian.Uint32(golden); state.CheckVersion(bytes.NewReader(golden)) == nil; {
				golden[9]++ // the first frame's payload begins with the version
				encoding.LittleEndian.PutUint32(golden[5:], castagnoliOf(golden[:5], golden[9:9+n]))
			}
			path := filepath.Join(dir, metastoreDir, "snapshots", "9-999-1")
			require.NoError(t, os.MkdirAll(path, 0o750))
			require.NoError(t, os.WriteFile(filepath.Join(path, "state.bin"), golden, 0o600))
		}, everyone, []string{"snapshot DIR/metastore/snapshots/9-999-1", "its format version is ", "this build reads 1 to "}},
		{"log entry", func(t *testing.T, dir string) {
			data := state.Append(nil, 1, state.Expire{})
			data[0]++
			data = encoding.LittleEndian.AppendUint32(data[:len(data)-4], castagnoliOf(data[:len(data)-4]))
			w, err := wal.Open(filepath.Join(dir, metastoreDir, "log"))
			require.NoError(t, err)
			last, err := w.LastIndex()
			require.NoError(t, err)
			require.NoError(t, w.StoreLog(&raft.Log{Index: last + 1, Term: 9, Type: raft.LogCommand, Data: data}))
			require.NoError(t, w.Close())
		}, everyone, []string{"log file DIR/metastore/log", "entry 117", "its format version is 2, this build reads 1 to 1"}},
		{"meta.json", func(t *testing.T, dir string) {
			editFile(t, filepath.Join(dir, blockDir, "meta.json"), func(b []byte) []byte { return bytes.Replace(b, []byte(`"format": 1`), []byte(`"format": 2`), 1) })
		}, [][]string{{"block", "show", "DIR/" + blockDir}, {"block", "check", "DIR/" + blockDir}, {"block", "ls", "--data-dir=DIR"}},
			[]string{"01M89E6RZZ0D72SE2H75GYP34G", "format version 2 is newer than 1, the newest this program knows"}},
		{"table", func(t *testing.T, dir string) {
			editFile(t, filepath.Join(dir, blockDir, "samples.parquet"), func(b []byte) []byte {
				return bytes.Replace(b, []byte("stackhouse.format\x18\x011"), []byte("stackhouse.format\x18\x012"), 1)
			})
		}, [][]string{{"block", "show", "DIR/" + blockDir}, {"block", "check", "DIR/" + blockDir}, {"block", "dump", "DIR/" + blockDir, "--table=samples"}},
			[]string{"01M89E6RZZ0D72SE2H75GYP34G", "samples", "format version 2 is newer than 1, the newest this program knows"}},
		{"segment", func(t *testing.T, dir string) {
			editFile(t, filepath.Join(dir, segment), func(b []byte) []byte {
				n := int(encoding.LittleEndian.Uint32(b[len(b)-16:]))
				b[len(b)-12]++
				encoding.LittleEndian.PutUint32(b[len(b)-8:], castagnoliOf(b[len(b)-16-n:len(b)-8]))
				return b
			})
		}, [][]string{{"segment", "show", "DIR/" + segment}, {"segment", "check", "DIR/" + segment}, {"segment", "ls", "--data-dir=DIR"}},
			[]string{"01M89E6RDVRF4ZQ0W201RNQFAX", "version 2 is newer than 1, the newest this program knows"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := oldDataDir(t)
			tt.change(t, dir)
			before := hashOf(t, dir)
			for _, line := range tt.commands {
				args := make([]string, len(line))
				for i := range line {
					args[i] = strings.ReplaceAll(line[i], "DIR", dir)
				}
				r := command(t, nil, args...)
				require.Equal(t, exitError, r.status, "%v: %s%s", line, r.stdout, r.stderr)
				for _, want := range tt.want {
					require.Contains(t, r.stdout+r.stderr, strings.ReplaceAll(want, "DIR", dir), "%v", line)
				}
				require.Equal(t, before, hashOf(t, dir), "%v changes nothing", line)
			}
		})
	}
}
