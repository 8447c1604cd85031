package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPsqlCompletion types into psql at a terminal: the tabulator key completes
// relations, columns and functions. What psql asks for that is not written down
// anywhere but in psql.
func TestPsqlCompletion(t *testing.T) {
	client(t, "psql", "postgresql-client")
	python := client(t, "python3", "python3")
	w := newSQLWorld(t)
	defer func() { require.Zero(t, w.stop(), w.stderr.String()); http.DefaultClient.CloseIdleConnections() }()

	cases := [][2]string{ // keys, and what the terminal shows then
		{"select * from sam\t", `select \* from samples `},
		{"select * from public.stackt\t", `select \* from public\.stacktraces `},
		{"select * from labeled_\t\t", `labeled_profiles +labeled_samples`},
		{"select count(*) from samples where serv\t", `where service_name `},
		{"select * from series order by ser\t\t", `series_id +service_name`},
		{`\d stack` + "\t", `\\d stacktraces `},
		{`\df flame` + "\t", `\\df flamegraph `},
		{"table prof\t", `table profiles `},
		{"set timez\t", `set timez\x07?one`}, // and timezone_abbreviations: the bell,
		{`\c anony` + "\t", `\\c anonymous `},
	}
	typed, err := json.Marshal(cases)
	require.NoError(t, err)
	psql := w.psqlCommand(t)
	cmd := exec.CommandContext(t.Context(), python, append([]string{"../../testdata/clients/psql_keys.py", psql.Path}, psql.Args[1:]...)...)
	var stdout, stderr bytes.Buffer
	cmd.Env = append(psql.Env, "TERM=dumb", "INPUTRC=/dev/null")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(typed), &stdout, &stderr
	cmd.WaitDelay = time.Second
	require.NoError(t, cmd.Run(), stderr.String())
	var shown []*string
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &shown), stdout.String())
	require.Len(t, shown, len(cases))
	for i, c := range cases {
		require.NotNil(t, shown[i], "%q\n%s", c[0], stderr.String())
	}
}
