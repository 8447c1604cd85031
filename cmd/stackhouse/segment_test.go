package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/segment"
)

const goldenID = "01JZZZZZZZ0123456789ABCDEF" // of the segment that goldenSegment returns, of shard 3

func goldenSegment(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile("../../warehouse/segment/testdata/v1.seg")
	require.NoError(t, err)
	return data
}

// segmentDir returns a directory with the files.
func segmentDir(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
	return dir
}

// damaged returns a copy in which one byte is another.
func damaged(data []byte, at int) []byte {
	bad := bytes.Clone(data)
	bad[at] ^= 0x10
	return bad
}

func TestSegmentShow(t *testing.T) {
	t.Parallel()
	golden := goldenSegment(t)
	dir := segmentDir(t, map[string][]byte{
		"a.seg": golden, "empty": nil, "text": []byte(strings.Repeat("no segment ", 9)), "cut.seg": golden[:len(golden)-1],
		"footer.seg": damaged(golden, len(golden)-60), "section.seg": damaged(golden, 9),
	})
	tests := []struct {
		name   string
		args   []string
		status int
		stdout []string
		stderr string
	}{
		{"one", []string{"a.seg"}, exitOK, []string{
			"a.seg: segment " + goldenID + ", shard 3\n",
			"2 parts, 6 samples, 12.5KiB (2130.33 bytes a sample), 2 profile ids, 2 epochs\n",
			"\nacme 2025-10-09T08: [2025-10-09T08:00:00.000001Z, 2025-10-09T08:00:00.000002Z], format 1\n",
			"  checkout: 2 profiles\n",
			"    process_cpu:cpu:nanoseconds:cpu:nanoseconds  3 samples  [",
			"  section      offset  bytes  rows  bytes/row  crc32c\n  samples      0       1708   3     569.33     cf925ecf\n",
			"  anonymous  checkout  2025-10-09T09  epoch 1\n",
		}, ""},
		{"sections are not read", []string{"section.seg"}, exitOK, []string{goldenID}, ""},
		{"missing", []string{"missing.seg"}, exitError, nil, "no such file"},
		{"directory", []string{"."}, exitError, nil, "is no regular file"},
		{"empty", []string{"empty"}, exitError, nil, "0 bytes of 0 are no segment"},
		{"non-segment", []string{"text"}, exitError, nil, `want "SSEG"`},
		{"cut", []string{"cut.seg"}, exitError, nil, `want "SSEG"`},
		{"damaged footer", []string{"footer.seg"}, exitError, nil, "has checksum"},
		{"the rest is shown", []string{"missing.seg", "a.seg"}, exitError, []string{goldenID}, "no such file"},
		{"no file", nil, exitUsage, nil, `expected "<file> ..."`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := []string{"segment", "show"}
			for _, name := range tt.args {
				args = append(args, filepath.Join(dir, name))
			}
			r := command(t, nil, args...)
			require.Equal(t, tt.status, r.status, r.stderr)
			for _, want := range tt.stdout {
				require.Contains(t, r.stdout, want)
			}
			if tt.stdout == nil {
				require.Empty(t, r.stdout)
			}
			require.Contains(t, r.stderr, tt.stderr)
			if tt.stderr == "" {
				require.Empty(t, r.stderr)
			}
		})
	}
}

func TestSegmentShowJSON(t *testing.T) {
	t.Parallel()
	dir := segmentDir(t, map[string][]byte{"a.seg": goldenSegment(t)})
	path := filepath.Join(dir, "a.seg")
	env := map[string]string{"STACKHOUSE_JSON": "nonsense"} // options are no settings
	r := command(t, env, "segment", "show", "--json", path, path)
	require.Equal(t, exitOK, r.status, r.stderr)
	lines := strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
	require.Len(t, lines, 2)
	require.Equal(t, lines[0], lines[1])
	var got segmentView
	d := json.NewDecoder(strings.NewReader(lines[0]))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&got))
	require.Equal(t, segmentView{File: path, Segment: goldenID, Shard: 3, Bytes: 12782, ProfileIDs: 2, Parts: got.Parts, Epochs: got.Epochs}, got)
	require.Equal(t, []epochView{{"acme", "checkout", "2025-10-09T08", 0}, {"anonymous", "checkout", "2025-10-09T09", 1}}, got.Epochs)
	require.Len(t, got.Parts, 2)
	const from, to = "2025-10-09T08:00:00.000001Z", "2025-10-09T08:00:00.000002Z"
	require.Equal(t, []datasetView{{"checkout", 2, []typeView{{"process_cpu:cpu:nanoseconds:cpu:nanoseconds", from, to, 3}}}}, got.Parts[0].Datasets)
	require.Len(t, got.Parts[0].Sections, 4)
	require.Equal(t, sectionView{"series", 3448, 945, 1, 945, "9d34598c"}, got.Parts[0].Sections[2])
}

// soundID is of the segment that soundSegment returns, of shard 0, whose ids are
// hashes.
const soundID = "01M89E6RDVRF4ZQ0W201RNQFAX"

func soundSegment(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile("../../testdata/segment/v1/segments/0/" + soundID + ".seg")
	require.NoError(t, err)
	return data
}

func TestSegmentCheck(t *testing.T) {
	t.Parallel()
	sound := soundSegment(t)
	const ok = "1 part, 4 sections, 10 samples, 7.1KiB, 99 checks"
	tests := []struct {
		name   string
		files  map[string][]byte
		args   []string // the directory, if none
		status int
		want   []string // the lines; DIR is the directory
		stderr string
	}{
		{"file", map[string][]byte{"a": sound}, []string{"a"}, exitOK, []string{"ok DIR/a: " + ok}, "checked 1 segment, 7.1KiB, in"},
		{"directories", map[string][]byte{"x/a.seg": sound, "x/y/b.seg": sound, "x/y/b.parquet": nil, "c.seg": sound}, []string{"x"}, exitOK,
			[]string{"ok DIR/x/a.seg: " + ok, "ok DIR/x/y/b.seg: " + ok}, "checked 2 segments"},
		{"empty directory", nil, nil, exitOK, nil, "checked 0 segments"},
		{"damaged among others", map[string][]byte{"a.seg": sound, "b.seg": damaged(sound, 20), "c.seg": sound}, nil, exitError,
			[]string{"ok DIR/a.seg: " + ok, "damaged DIR/b.seg: 3 findings; 1 part", "  segment.layout: decode segment at byte 0: section samples of anonymous 2026-11-24T10 has checksum",
				"  table.checksum: samples: it has checksum", "  table.", "ok DIR/c.seg: " + ok}, "1 damaged, 0 unreadable"},
		{"missing", map[string][]byte{"a.seg": sound}, []string{"missing", "a.seg"}, exitError,
			[]string{"unreadable DIR/missing: ", "ok DIR/a.seg: " + ok}, "0 damaged, 1 unreadable"},
		{"non-segment", map[string][]byte{"notes.txt": []byte("nothing but some text")}, []string{"notes.txt"}, exitError,
			[]string{"damaged DIR/notes.txt: 1 finding; 21 bytes", `  segment.footer: decode segment at byte 17: magic is "text", want "SSEG"`}, "1 damaged"},
		{"empty file", map[string][]byte{"a.seg": {}}, nil, exitError, []string{"damaged DIR/a.seg: 1 finding", "  segment.footer: decode segment at byte 0: 0 bytes of 0"}, "1 damaged"},
		{"in its place", map[string][]byte{"segments/0/" + soundID + ".seg": sound}, nil, exitOK, []string{"ok DIR/segments/0/" + soundID + ".seg: " + ok}, ""},
		{"under another name", map[string][]byte{"segments/4/" + soundID + ".seg": sound}, nil, exitError,
			[]string{"damaged DIR/segments/4/" + soundID + ".seg: 1 finding", "  segment.name: it is segment " + soundID + " of shard 0"}, "1 damaged"},
		{"ids that are no hashes", map[string][]byte{"a.seg": goldenSegment(t)}, nil, exitError, []string{"damaged DIR/a.seg: ", "  series.id: series, row 0, column series_id: it is -5"}, "1 damaged"},
		{"a name with control characters", map[string][]byte{"\x1b[2J.seg": sound}, nil, exitOK, []string{`ok "DIR/\x1b[2J.seg": ` + ok}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := segmentDir(t, tt.files)
			args := []string{"segment", "check"}
			for _, name := range tt.args {
				args = append(args, filepath.Join(dir, name))
			}
			if tt.args == nil {
				args = append(args, dir)
			}
			r := command(t, nil, args...)
			require.Equal(t, tt.status, r.status, r.stdout+r.stderr)
			lines := strings.Split(strings.ReplaceAll(r.stdout, dir, "DIR"), "\n")
			require.GreaterOrEqual(t, len(lines), len(tt.want)+1, r.stdout)
			for i, want := range tt.want {
				require.Contains(t, lines[i], want)
			}
			require.Contains(t, r.stderr, tt.stderr)
		})
	}
	require.Equal(t, exitUsage, command(t, nil, "segment", "check").status, "nothing to check")
	require.Equal(t, exitUsage, command(t, nil, "segment", "check", "--all", "x").status, "both")
}

// TestSegmentCheckFindsFlips: no byte of a segment can be another unnoticed.
func TestSegmentCheckFindsFlips(t *testing.T) {
	t.Parallel()
	sound := soundSegment(t)
	step := 1
	if testing.Short() {
		step = 37
	}
	for at := 0; at < len(sound); at += step {
		bad := damaged(sound, at)
		if segment.Check(bad) != nil && at%97 != 0 {
			continue // the report begins with the same
		}
		var r warehouse.Report
		if checkSegment("a.seg", bad, &r); !r.Failed() {
			t.Fatalf("byte %d", at)
		}
	}
}

// TestSegmentCheckIsLong: progress is told, an end is asked for and kept, and
// what a server removes meanwhile is no fault.
func TestSegmentCheckIsLong(t *testing.T) {
	t.Parallel()
	sound := soundSegment(t)
	dir := segmentDir(t, map[string][]byte{"a.seg": sound, "b.seg": sound, "c.seg": sound})
	run := func(ctx context.Context, before func()) (int, string, string) {
		var stdout, stderr bytes.Buffer
		clock := time.Unix(0, 0)
		c := &segmentChecker{objectChecker: newObjectChecker(program{stdout: &stdout, stderr: &stderr}, "segment", false)}
		c.start, c.last = clock, clock
		c.now = func() time.Time {
			clock = clock.Add(progressEvery/2 + 1)
			return clock
		}
		c.find([]string{dir})
		before()
		status := c.end(ctx, c.run(ctx))
		return status, stdout.String(), stderr.String()
	}

	status, stdout, stderr := run(t.Context(), func() {})
	require.Equal(t, exitOK, status)
	require.Equal(t, 3, strings.Count(stdout, "ok "))
	require.Contains(t, stderr, "checked 2 segments, 14.2KiB; 0 damaged\n")

	ctx, cancel := context.WithCancel(t.Context())
	status, stdout, stderr = run(ctx, cancel)
	require.Equal(t, exitError, status)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "interrupted; checked 0 segments")

	status, stdout, _ = run(t.Context(), func() { require.NoError(t, os.Remove(filepath.Join(dir, "b.seg"))) })
	require.Equal(t, exitOK, status)
	require.Contains(t, stdout, "gone "+filepath.Join(dir, "b.seg"))
}

func TestHumanNumbers(t *testing.T) {
	t.Parallel()
	require.Equal(t, "0 bytes", bytesText(0))
	require.Equal(t, "1 byte", bytesText(1))
	require.Equal(t, "1.5KiB", bytesText(1536))
	require.Equal(t, "3.0TiB", bytesText(3<<40))
	require.Equal(t, `""`, plainText(""))
	require.Equal(t, "a b", plainText("a b"))
	require.Equal(t, `"a\nb"`, plainText("a\nb"))
}
