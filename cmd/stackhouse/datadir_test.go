package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDataDirNew(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "data")
	d, err := openDataDir(path)
	require.NoError(t, err)
	require.True(t, filepath.IsAbs(d.path))
	for _, name := range []string{bucketDir, metastoreDir, cacheDir, tempDir} {
		require.DirExists(t, d.file(name))
	}
	text, err := os.ReadFile(d.file(formatFile))
	require.NoError(t, err)
	require.Equal(t, currentFormats.String(), string(text))
	disk, err := d.diskBytes()
	require.NoError(t, err)
	require.Positive(t, disk)
	d.close()

	require.NoError(t, os.WriteFile(d.file(tempDir+"/spilled"), nil, 0o600))
	again, err := openDataDir(path)
	require.NoError(t, err)
	defer again.close()
	require.NoFileExists(t, again.file(tempDir+"/spilled"), "what a dead process spilled is removed")
}

func TestDataDirLocked(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	d, err := openDataDir(path)
	require.NoError(t, err)

	_, err = openDataDir(path)
	require.EqualError(t, err, "data directory "+path+` is in use by another stackhouse (process "`+strconv.Itoa(os.Getpid())+`")`)

	d.close()
	d, err = openDataDir(path)
	require.NoError(t, err, "the lock is free again")
	d.close()
}

// TestDataDirRefused: a directory that is not ours to use stays as it is.
func TestDataDirRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"foreign", map[string]string{"thesis.tex": "x"}, `is not Stackhouse's: it holds "thesis.tex" and no FORMAT file`},
		{"newer", map[string]string{formatFile: "stackhouse data directory\nblock 99\nlog 1\nsnapshot 1\n"}, "written by a newer version of Stackhouse: it has block format 99, this one reads up to 1"},
		{"unknown part", map[string]string{formatFile: "stackhouse data directory\nindex 1\n"}, "it has index format 1, which this one does not know"},
		{"not a FORMAT", map[string]string{formatFile: "hello\n"}, `FORMAT: want "stackhouse data directory" in the first line, not "hello"`},
		{"bad line", map[string]string{formatFile: "stackhouse data directory\nblock one\n"}, `FORMAT: want a name and a version, not "block one\n"`},
		{"empty FORMAT", map[string]string{formatFile: ""}, "FORMAT: want"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir()
			for name, text := range tt.files {
				require.NoError(t, os.WriteFile(filepath.Join(path, name), []byte(text), 0o600))
			}
			_, err := openDataDir(path)
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, path)
			require.NotContains(t, err.Error(), "\n")
			require.Equal(t, tt.files, readFiles(t, path))
		})
	}
}

func readFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		got[name] = string(text)
		return err
	})
	require.NoError(t, err)
	return got
}

// TestDataDirAfterCrash: a first start that died half-way is repeated.
func TestDataDirAfterCrash(t *testing.T) {
	t.Parallel()
	for _, left := range []string{lockFile, newFormat, "lost+found"} {
		t.Run(left, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(path, left), []byte("stackho"), 0o600))
			d, err := openDataDir(path)
			require.NoError(t, err)
			d.close()
		})
	}
}

func TestDataDirIsAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := openDataDir(path)
	require.ErrorContains(t, err, "not a directory")
}

// FuzzParseFormats: no FORMAT file crashes the start, and one that is accepted
// reads back.
func FuzzParseFormats(f *testing.F) {
	f.Add(currentFormats.String())
	f.Add("stackhouse data directory\n")
	f.Add("stackhouse data directory\nblock 1\nblock 2")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseFormats(text)
		if err != nil {
			return
		}
		again, err := parseFormats(got.String())
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}
