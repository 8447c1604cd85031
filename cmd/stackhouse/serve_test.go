package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/pprof/profile"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"github.com/stretchr/testify/require"
)

// output is a writer that can be read meanwhile.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// running is a server in this process.
type inProcess struct {
	url            string
	stdout, stderr *output
	stop           func() int // returns the exit status
}

// serveInProcess runs the serve command over dir until the server is ready.
func serveInProcess(t *testing.T, dir string, args ...string) *inProcess {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background()) // ended by stop
	s := &inProcess{stdout: new(output), stderr: new(output)}
	status := make(chan int, 1)
	args = append([]string{
		"serve", "--data-dir=" + dir, "--http.listen=127.0.0.1:0", "--peer.listen=127.0.0.1:0", "--pg.listen=127.0.0.1:0",
		"--memory=1GiB", "--log.level=debug",
	}, args...)
	go func() { status <- run(ctx, args, s.stdout, s.stderr) }()
	s.stop = sync.OnceValue(func() int { cancel(); return <-status })
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Log(s.stderr.String())
		}
	})
	banner := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	require.Eventually(t, func() bool {
		s.url = banner.FindString(s.stdout.String())
		return s.url != ""
	}, 30*time.Second, time.Millisecond)
	return s
}

// cpuProfile returns a pprof of one sample.
func cpuProfile(t *testing.T, value int64) []byte {
	t.Helper()
	fn := &profile.Function{ID: 1, Name: "work", SystemName: "work", Filename: "work.go"}
	loc := &profile.Location{ID: 1, Line: []profile.Line{{Function: fn, Line: 1}}}
	cpu := &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}
	p := &profile.Profile{
		SampleType: []*profile.ValueType{cpu}, PeriodType: cpu, Period: 1,
		TimeNanos: time.Now().UnixNano(), DurationNanos: 1e9,
		Sample:   []*profile.Sample{{Location: []*profile.Location{loc}, Value: []int64{value}}},
		Location: []*profile.Location{loc}, Function: []*profile.Function{fn},
	}
	var body bytes.Buffer
	require.NoError(t, p.Write(&body))
	return body.Bytes()
}

func (s *inProcess) push(t *testing.T, service string, value int64) {
	t.Helper()
	client := pushv1connect.NewPusherServiceClient(http.DefaultClient, s.url)
	_, err := client.Push(t.Context(), connect.NewRequest(&pushv1.PushRequest{Series: []*pushv1.RawProfileSeries{{
		Labels:  []*typesv1.LabelPair{{Name: "__name__", Value: "process_cpu"}, {Name: "service_name", Value: service}},
		Samples: []*pushv1.RawSample{{RawProfile: cpuProfile(t, value)}},
	}}}))
	require.NoError(t, err)
}

func (s *inProcess) total(t *testing.T, service string) int64 {
	t.Helper()
	client := querierv1connect.NewQuerierServiceClient(http.DefaultClient, s.url)
	now := time.Now()
	resp, err := client.SelectMergeStacktraces(t.Context(), connect.NewRequest(&querierv1.SelectMergeStacktracesRequest{
		ProfileTypeID: "process_cpu:cpu:nanoseconds:cpu:nanoseconds", LabelSelector: `{service_name="` + service + `"}`,
		Start: now.Add(-time.Hour).UnixMilli(), End: now.Add(time.Minute).UnixMilli(),
	}))
	require.NoError(t, err)
	return resp.Msg.Flamegraph.GetTotal()
}

// TestServe: what is acknowledged is visible, and again after a restart. All
// goroutines end (TestMain).
func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	began := time.Now()
	s := serveInProcess(t, dir, "--no-self-profiling")
	t.Logf("ready after %v", time.Since(began))
	require.Less(t, time.Since(began), 2*time.Second)
	require.Contains(t, s.stdout.String(), dir)

	status, _ := get(t, s.url+"/ready")
	require.Equal(t, http.StatusOK, status)
	s.push(t, "checkout", 41)
	s.push(t, "checkout", 1)
	require.EqualValues(t, 42, s.total(t, "checkout"))

	status, metrics := get(t, s.url+"/metrics")
	require.Equal(t, http.StatusOK, status)
	for _, name := range []string{"stackhouse_build_info", "go_goroutines", "stackhouse_api_requests_total", "stackhouse_ingest_"} {
		require.Contains(t, metrics, name)
	}

	began = time.Now()
	require.Zero(t, s.stop(), s.stderr.String())
	require.Less(t, time.Since(began), 10*time.Second)
	http.DefaultClient.CloseIdleConnections()

	s = serveInProcess(t, dir, "--no-self-profiling")
	require.EqualValues(t, 42, s.total(t, "checkout"))
	require.Zero(t, s.stop(), s.stderr.String())
	http.DefaultClient.CloseIdleConnections()
}

// TestServeRefusals: each reason not to start is one line that names what to do.
func TestServeRefusals(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	addr := taken.Addr().String()
	locked := t.TempDir()
	d, err := openDataDir(locked)
	require.NoError(t, err)
	defer d.close()
	foreign := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "letter.txt"), nil, 0o600))

	tests := []struct {
		name string
		args []string
		want string
	}{
		{"taken HTTP port", []string{"--http.listen=" + addr}, "--http.listen: " + addr + " is in use"},
		{"taken Postgres port", []string{"--pg.listen=" + addr}, "--pg.listen: " + addr + " is in use"},
		{"taken peer port", []string{"--peer.listen=" + addr}, "--peer.listen: " + addr + " is in use"},
		{"locked directory", []string{"--data-dir=" + locked}, "is in use by another stackhouse"},
		{"foreign directory", []string{"--data-dir=" + foreign}, "is not Stackhouse's"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"serve", "--http.listen=127.0.0.1:0", "--peer.listen=127.0.0.1:0", "--pg.listen=127.0.0.1:0", "--memory=1GiB", "--no-self-profiling"}
			if strings.HasPrefix(tt.name, "taken") {
				args = append(args, "--data-dir="+t.TempDir())
			}
			r := command(t, nil, append(args, tt.args...)...)
			require.Equal(t, exitError, r.status)
			require.Contains(t, r.stderr, tt.want)
			require.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
			require.Empty(t, r.stdout)
		})
	}
}

// openNode opens a node over an empty directory, and closes it after the test.
func openNode(t *testing.T, b budgets) (*node, []stage) {
	t.Helper()
	cfg := &config{
		DataDir: t.TempDir(), PeerListen: "127.0.0.1:0",
		Retention: period(31 * day), CacheBytes: share{percent: 10},
	}
	dir, err := openDataDir(cfg.DataDir)
	require.NoError(t, err)
	t.Cleanup(dir.close)
	ln, err := listen(t.Context(), "http.listen", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	pgLn, err := listen(t.Context(), "pg.listen", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = pgLn.Close() })
	n, err := newNode(cfg, cfg.policy(), b, nil, dir, ln.Addr().String(), pgLn.Addr().String(), quiet)
	require.NoError(t, err)
	stages := n.stages(ln, pgLn, answerStarting(ln))
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		for _, s := range stages {
			if err := s.run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", s.name, err)
			}
		}
	})
	return n, stages
}

// TestStopDeadlines: together the stages stop within ten seconds.
func TestStopDeadlines(t *testing.T) {
	_, stages := openNode(t, newBudgets(1<<30))
	sum := stopSelf
	for _, s := range stages {
		require.Positive(t, s.stop, s.name)
		sum += s.stop
	}
	require.Less(t, sum, 10*time.Second)
}

// TestEngineBudget reads the engine's share back from the engine.
func TestEngineBudget(t *testing.T) {
	n, _ := openNode(t, newBudgets(1<<30))
	var limit string
	err := n.engine.Query(t.Context(), "SELECT current_setting('memory_limit')", nil, func(rec arrow.RecordBatch) error {
		limit = strings.Clone(rec.Column(0).ValueStr(0)) // the batch goes away
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, "256.0 MiB", limit)
}
