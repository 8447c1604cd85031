package pgwire

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func TestSplitArgs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{
		"":                       nil,
		"  ":                     nil,
		"-c a=b":                 {"-c", "a=b"},
		` -c\ x  a\\b `:          {"-c x", `a\b`},
		"--a=b\t-cc=d":           {"--a=b", "-cc=d"},
		`-c search_path=a\,\ b\`: {"-c", `search_path=a, b\`},
	} {
		require.Equal(t, want, splitArgs(in), in)
	}
}

// Any first bytes are a start-up, a cancel request or an error, and what is
// understood is what was sent.
func FuzzStartup(f *testing.F) {
	for _, s := range []string{
		"user=alice database=team", "user=alice _pq_.x=1 version=3.9", "version=2.0 user=x", `user=a options="-c x=y --z=1"`, "",
	} {
		f.Add(startupPacket(s))
	}
	f.Add([]byte{0, 0, 0, 8, 4, 210, 22, 47, 0, 0, 0, 8, 4, 210, 22, 48})
	f.Add([]byte{0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 1, 2, 3, 4})
	srv, err := New(Options{Statements: newFake()})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		code, body, err := readPacket(bytes.NewReader(data))
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(body), maxStartupBytes)
		switch {
		case code == codeCancel:
			if req, err := parseCancel(body); err == nil {
				require.Equal(t, body, append(binary.BigEndian.AppendUint32(nil, uint32(req.pid)), req.secret...))
			}
		case code>>16 == protocolMajor:
			su, err := parseStartup(uint16(code), body)
			if err != nil {
				require.Equal(t, severityFatal, asPGError(err).severity)
				return
			}
			if id, err := authenticate(su.params); err == nil {
				if _, err := srv.initialParams(su.params, id); err != nil {
					require.Equal(t, severityFatal, asPGError(err).severity)
				}
			}
		}
	})
}

// A whole session of any bytes ends by itself, without a panic.
func FuzzSession(f *testing.F) {
	hello := startupPacket("user=alice")
	encode := func(lines ...[2]string) []byte {
		out := bytes.Clone(hello)
		for _, l := range lines {
			msg, _ := message(nil, l[0], l[1]).Encode(nil)
			out = append(out, msg...)
		}
		return out
	}
	f.Add(encode([2]string{"query", "select 1; begin; select types"}, [2]string{"terminate"}))
	f.Add(encode([2]string{"parse", "- - select $1 + 1"}, [2]string{"describe", "S -"}, [2]string{"sync"}))
	f.Add(encode([2]string{"query", "begin; declare c scroll cursor for select n from numbers(9); fetch -3 c"}))
	f.Add([]byte{0, 0, 0, 8, 4, 210, 22, 47})
	srv, err := New(Options{Statements: quiet{newFake()}})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		conn := newScriptedConn(data)
		srv.serveConn(t.Context(), conn)
		require.NotContains(t, conn.out.String(), "internal error")
		require.Empty(t, srv.wires)
	})
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := New(Options{})
	require.ErrorContains(t, err, "no Statements")
	_, err = New(Options{Statements: newFake(), IdleTimeout: -1})
	require.ErrorContains(t, err, "IdleTimeout is negative")
	_, err = New(Options{Statements: newFake(), MaxConnections: -1})
	require.ErrorContains(t, err, "a limit is negative")
}

func TestMetricsHaveNamesAndHelp(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m := newMetrics(reg, func() float64 { return 0 })
	m.accepted.WithLabelValues("session").Inc()
	m.cancels.WithLabelValues("match").Inc()
	m.ended(1, nil)
	m.ended(1, errCanceled)
	fams, err := reg.Gather()
	require.NoError(t, err)
	names := []string{}
	for _, f := range fams {
		names = append(names, f.GetName())
		require.NotEmpty(t, f.GetHelp())
	}
	require.Equal(t, []string{
		"stackhouse_pgwire_cancel_requests_total", "stackhouse_pgwire_connections", "stackhouse_pgwire_connections_total",
		"stackhouse_pgwire_rows_total", "stackhouse_pgwire_sent_bytes_total", "stackhouse_pgwire_spooled_bytes", "stackhouse_pgwire_statement_duration_seconds",
		"stackhouse_pgwire_statements_total",
	}, names)
}
