package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestInspectScripts runs the commands in testdata/inspect over a copy of
// testdata/datadir/v1, which DIR stands for. A line "$ COMMAND" is one of:
//
//	stackhouse ARGUMENTS   its output follows, and "? STATUS" if that is not 0
//	flip FILE BYTE         changes a bit
//	cut FILE BYTES         leaves so many
//	remove FILE
//
// Rewrite the outputs with
//
//	go test -tags duckdb_arrow ./cmd/stackhouse -run TestInspectScripts -update
func TestInspectScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/inspect/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			got := runScript(t, oldDataDir(t), string(text))
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
			}
			require.Equal(t, string(text), got)
		})
	}
}

// runScript returns the script with the outputs that there are now.
func runScript(t *testing.T, dir, text string) string {
	t.Helper()
	var out strings.Builder
	copying := true // what is before the first command, and comments
	for line := range strings.Lines(text) {
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case isCommand:
			out.WriteString(line)
			out.WriteString(runLine(t, dir, strings.Fields(command)))
			copying = false
		case strings.HasPrefix(line, "#") || copying:
			if !copying {
				out.WriteByte('\n')
			}
			copying = true
			out.WriteString(line)
		}
	}
	return out.String()
}

var durations = regexp.MustCompile(`in [0-9.]+[mµ]?s\b`)

func runLine(t *testing.T, dir string, words []string) string {
	t.Helper()
	path := func() string { return strings.Replace(words[1], "DIR", dir, 1) }
	switch words[0] {
	case "flip":
		at, err := strconv.Atoi(words[2])
		require.NoError(t, err)
		editFile(t, path(), func(b []byte) []byte { return damaged(b, at) })
	case "cut":
		n, err := strconv.Atoi(words[2])
		require.NoError(t, err)
		editFile(t, path(), func(b []byte) []byte { return b[:n] })
	case "remove":
		require.NoError(t, os.RemoveAll(path()))
	case "stackhouse":
		var both bytes.Buffer
		p := program{env: mapEnv(nil), root: "/", stdout: &both, stderr: &both}
		args := make([]string, len(words)-1)
		for i, w := range words[1:] {
			args[i] = strings.ReplaceAll(w, "DIR", dir)
		}
		status := p.run(t.Context(), args)
		text := durations.ReplaceAllString(strings.ReplaceAll(both.String(), dir, "DIR"), "in TIME")
		if status != exitOK {
			text += fmt.Sprintf("? %d\n", status)
		}
		return text
	default:
		t.Fatalf("unknown command %q", words)
	}
	return ""
}
