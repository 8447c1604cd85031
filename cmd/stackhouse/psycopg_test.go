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

// psycopgPython returns a Python that has psycopg 3: Debian's package belongs to
// Debian's Python, which need not be the first of the path.
func psycopgPython(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.CommandContext(t.Context(), python, "-c", "import psycopg; assert psycopg.__version__ >= '3'").Run() == nil {
			return python
		}
	}
	missing(t, "psycopg 3", "python3-psycopg")
	return ""
}

// TestPsycopg runs testdata/clients/psycopg_client.py and compares what it saw.
func TestPsycopg(t *testing.T) {
	python := psycopgPython(t)
	w := newSQLWorld(t)
	defer func() { require.Zero(t, w.stop(), w.stderr.String()); http.DefaultClient.CloseIdleConnections() }()

	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), python, "../../testdata/clients/psycopg_client.py", w.dsn(), cpuType,
		w.start.Format("2006-01-02T15:04:05+00:00"), w.end().Format("2006-01-02T15:04:05+00:00"))
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	require.NoError(t, cmd.Run(), stderr.String())
	var got map[string]any
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &got), stdout.String())

	var totals []any
	var sum, rows float64
	for _, r := range w.totals() {
		if r.Type == cpuType {
			totals = append(totals, []any{r.Service, float64(r.Count), float64(r.Sum)})
		}
		sum += float64(r.Sum)
		rows += float64(r.Count)
	}
	failure := func(class, state string, position any) map[string]any {
		return map[string]any{"class": class, "state": state, "position": position}
	}
	want := map[string]any{
		"psycopg":       got["psycopg"],
		"server":        got["server"],
		"parameters":    map[string]any{"client_encoding": "UTF8", "TimeZone": "UTC", "standard_conforming_strings": "on"},
		"totals":        []any{totals, totals, totals, totals, totals, totals},
		"client cursor": totals,
		"row": map[string]any{
			"time": "datetime", "service_name": "str", "profile_type": "str", "series_id": "int", "stacktrace_id": "int", "profile_id": "UUID",
			"span_id": "NoneType", "trace_id": "NoneType", "attributes_id": "NoneType", "value": "int",
		},
		"described": []any{
			[]any{"time", 1184.0}, []any{"service_name", 25.0}, []any{"profile_type", 25.0}, []any{"series_id", 20.0}, []any{"stacktrace_id", 20.0},
			[]any{"profile_id", 2950.0}, []any{"span_id", 25.0}, []any{"trace_id", 25.0}, []any{"attributes_id", 20.0}, []any{"value", 20.0},
		},
		"named cursor": map[string]any{"rows": rows, "sum": sum, "sorted": true},
		"copy":         []any{[]any{"cart", "20"}, []any{"checkout", "20"}, []any{"payments", "20"}},
		"errors": map[string]any{
			"syntax": failure("SyntaxError", "42601", "1"),
			"column": failure("UndefinedColumn", "42703", "8"),
			"write":  failure("ReadOnlySqlTransaction", "25006", got["errors"].(map[string]any)["write"].(map[string]any)["position"]),
			"file":   failure("InsufficientPrivilege", "42501", "15"),
			"bound":  failure("InvalidTextRepresentation", "22P02", nil),
		},
		"after error":           1.0,
		"in failed transaction": failure("InFailedSqlTransaction", "25P02", nil),
		"lists":                 []any{[]any{"escape", "render", "serve", "main"}, []any{10.0, 10.0, 10.0, 10.0}},
		"labels":                map[string]any{"pod": "cart-0", "service_name": "cart"},
		"nulls":                 []any{0.0, true},
		"same instant":          true,
		"pipeline":              []any{1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0},
		"cancelled":             failure("QueryCanceled", "57014", nil),
		"after cancel":          1.0,
		"sessions":              map[string]any{"answers": 60.0, "own names": true, "equal": true},
	}
	for name := range want {
		require.Equal(t, want[name], got[name], name)
	}
	require.Len(t, got, len(want))
	t.Logf("psycopg %v, server %v", got["psycopg"], got["server"])
}
