package metastore

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// A node alone has nobody to talk to: connections are closed unread.
func TestStrangersAreNotHeard(t *testing.T) {
	t.Parallel()
	o := quiet(t.TempDir())
	o.Listen = "127.0.0.1:0"
	n := start(t, o)
	for range 3 {
		conn, err := net.Dial("tcp", n.peers.Addr().String())
		require.NoError(t, err)
		_, _ = conn.Write([]byte{0}) // appendEntries
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		_, err = conn.Read(make([]byte, 1))
		require.Error(t, err)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "it was closed, not left open")
		require.NoError(t, conn.Close())
	}
	n.mustAdd(segment(1))
}

func TestTakenPort(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	o := quiet(t.TempDir())
	o.Listen = l.Addr().String()
	_, err = Open(o)
	require.ErrorContains(t, err, "address already in use")
	require.Equal(t, warehouse.Unavailable, warehouse.KindOf(err))
	o.Listen = ""
	start(t, o) // the lock was given back
}

// The port may change between starts; the node is known by its id.
func TestPortMayChange(t *testing.T) {
	t.Parallel()
	o := quiet(t.TempDir())
	for i, listen := range []string{"127.0.0.1:0", "", "127.0.0.1:0"} {
		o.Listen = listen
		n := start(t, o)
		n.mustAdd(segment(i + 1))
		assert.Equal(t, rangeOf(1, i+2), n.live())
		n.stop()
	}
}

func TestRaftLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := newRaftLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level:       slog.LevelInfo,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { return dropTime(a) },
	})), "raft")
	l.Trace("trace")
	l.Debug("debug")
	l.Info("info")
	l.Warn("warn", "n", 1, 2, "x", "odd")
	l.Warn("heartbeat timeout reached, starting election", "n", 1)
	l.With("peer", "b").Error("error", "servers", hclog.Fmt("%d of %d", 1, 3))
	assert.Equal(t, `level=INFO msg=warn library=raft n=1 2=x
level=ERROR msg=error library=raft peer=b servers="1 of 3"
`, out.String())

	assert.Equal(t, []bool{false, false, false, true, true}, []bool{l.IsTrace(), l.IsDebug(), l.IsInfo(), l.IsWarn(), l.IsError()})
	assert.Equal(t, hclog.Warn, l.GetLevel())
	assert.Equal(t, "raft", l.Name())
	assert.Equal(t, "raft.x", l.Named("x").Name())
	assert.Equal(t, "y", l.ResetNamed("y").Name())
	assert.Equal(t, []any{"a", 1, "b", 2}, l.With("a", 1).With("b", 2).ImpliedArgs())
	l.SetLevel(hclog.Trace)
	out.Reset()
	l.StandardLogger(nil).Print("from the standard library")
	assert.Empty(t, out.String(), "which is news for developers only")
}

func dropTime(a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	o := quiet(t.TempDir())
	o.Registry = reg
	n := start(t, o)
	n.mustAdd(segment(1))
	n.mustAdd(segment(2))
	n.replace(10, 1)
	require.NoError(t, n.compact(n.ctx()))
	_, err := n.AbortSegment(n.ctx(), objectID(5))
	require.NoError(t, err)
	s, err := n.Snapshot(n.ctx())
	require.NoError(t, err)
	defer s.Release()

	families, err := reg.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, f := range families {
		assert.True(t, strings.HasPrefix(f.GetName(), "stackhouse_metastore_"), f.GetName())
		assert.True(t, strings.HasSuffix(f.GetHelp(), "."), f.GetHelp())
		for _, m := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "stackhouse_metastore_")
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			values[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	assert.Subset(t, values, map[string]float64{
		"is_leader": 1, "parts": 2, "objects": 2, "object_bytes": 200, "tombstones": 1, "tenants": 1, "recent_profiles": 2, "pins": 1,
		"log_pending_commands": 1, "commands_total add_segment ok": 2, "commands_total expire ok": 0, "segments_total added": 2,
		"command_duration_seconds abort_segment": 1, "snapshot_duration_seconds": 1, "damaged_snapshots_total": 0,
		"ingested_bytes_total": 2000, "compacted_bytes_total 3": 0, "unmerged_parts": 2, "unmerged_segments": 1, "unmerged_bytes": 200,
		"jobs_waiting": 0, "jobs_running": 0, "jobs_set_aside": 0, "unknown_objects": 0, "foreign_objects": 0,
	})
	assert.Positive(t, values["applied_index"])
	assert.Positive(t, values["snapshot_bytes"])

	_, err = Open(Options{Dir: t.TempDir(), Registry: reg})
	require.ErrorContains(t, err, "register metrics", "one metastore a registry")
	n.stop()
	families, err = reg.Gather()
	require.NoError(t, err)
	assert.Empty(t, families, "a stopped metastore takes its metrics along")
}
