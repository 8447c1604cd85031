//go:build e2e

package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/pprof/profile"
	"github.com/google/uuid"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"

	"github.com/grafana/pyroscope-go"
	"github.com/stretchr/testify/require"
)

// These tests run the built program and talk to it as clients do:
//
//	make e2e
//
// STACKHOUSE_BIN names the binary; without it, one is built.

var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("STACKHOUSE_BIN"); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "stackhouse-e2e") // shared by all tests
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "stackhouse")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// server is a running stackhouse.
type server struct {
	cmd    *exec.Cmd
	url    string
	stdout *lockedBuffer
	stderr *lockedBuffer
	exited chan struct{}
	err    error // of the process; read after exited
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// freeAddrs returns addresses that nothing listens on just now.
func freeAddrs(t testing.TB, n int) []string {
	t.Helper()
	var addrs []string
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer ln.Close()
		addrs = append(addrs, ln.Addr().String())
	}
	return addrs
}

// launch starts a server over dir without waiting for it.
func launch(t testing.TB, dir string, addrs []string, args ...string) *server {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	args = append([]string{
		"serve", "--data-dir=" + dir, "--http.listen=" + addrs[0], "--peer.listen=" + addrs[1],
		"--pg.listen=127.0.0.1:0", "--memory=1GiB",
	}, args...)
	s := &server{
		cmd: exec.Command(path, args...), url: "http://" + addrs[0],
		stdout: new(lockedBuffer), stderr: new(lockedBuffer), exited: make(chan struct{}),
	}
	s.cmd.Stdout, s.cmd.Stderr = s.stdout, s.stderr
	require.NoError(t, s.cmd.Start())
	go func() { s.err = s.cmd.Wait(); close(s.exited) }()
	t.Cleanup(func() {
		if s.running() {
			s.kill()
		}
		if t.Failed() {
			t.Logf("standard error of process %d:\n%s", s.cmd.Process.Pid, s.stderr)
		}
	})
	return s
}

// start starts a server over dir and waits until it is ready.
func start(t testing.TB, dir string, args ...string) *server {
	t.Helper()
	s := launch(t, dir, freeAddrs(t, 2), args...)
	began := time.Now()
	s.awaitReady(t, 2*time.Second)
	t.Logf("ready after %v", time.Since(began).Round(time.Millisecond))
	return s
}

func (s *server) running() bool {
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

func (s *server) awaitReady(t testing.TB, within time.Duration) {
	t.Helper()
	require.Eventually(t, func() bool {
		if !s.running() {
			return true
		}
		resp, err := http.Get(s.url + "/ready")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, within, 10*time.Millisecond, "not ready within %v", within)
	require.True(t, s.running(), "ended: %v\n%s", s.err, s.stderr)
}

// terminate asks the server to stop and waits until it has: cleanly and in time.
func (s *server) terminate(t testing.TB) {
	t.Helper()
	began := time.Now()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-s.exited:
	case <-time.After(15 * time.Second):
		t.Fatal("does not stop")
	}
	require.NoError(t, s.err, s.stderr.String())
	require.Less(t, time.Since(began), 10*time.Second)
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.exited
}

func (s *server) querier() querierv1connect.QuerierServiceClient {
	return querierv1connect.NewQuerierServiceClient(http.DefaultClient, s.url)
}

func (s *server) pusher() pushv1connect.PusherServiceClient {
	return pushv1connect.NewPusherServiceClient(http.DefaultClient, s.url, connect.WithGRPC())
}

// flamegraph asks for the last hour of a selector.
func (s *server) flamegraph(t *testing.T, selector string) *querierv1.FlameGraph {
	t.Helper()
	now := time.Now()
	resp, err := s.querier().SelectMergeStacktraces(t.Context(), connect.NewRequest(&querierv1.SelectMergeStacktracesRequest{
		ProfileTypeID: cpuType, LabelSelector: selector,
		Start: now.Add(-time.Hour).UnixMilli(), End: now.Add(time.Minute).UnixMilli(),
	}))
	require.NoError(t, err)
	return resp.Msg.Flamegraph
}

// load is a set of profiles that each can be told from all others.
type load struct {
	service string
	acked   map[string]int64 // value of each acknowledged profile, by its label n
	mu      sync.Mutex
}

// push sends profile n until it is acknowledged, with the same id each time, as
// agents do. It gives up when ctx is done, and the outcome is unknown.
func (l *load) push(ctx context.Context, current func() *server, n int) bool {
	req := pushRequest(l.service, n)
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := current().pusher().Push(attempt, connect.NewRequest(req))
		cancel()
		if err == nil {
			l.mu.Lock()
			l.acked[strconv.Itoa(n)] = int64(n + 1)
			l.mu.Unlock()
			return true
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

func pushRequest(service string, n int) *pushv1.PushRequest {
	fn := &profile.Function{ID: 1, Name: "work", SystemName: "work", Filename: "work.go"}
	loc := &profile.Location{ID: 1, Line: []profile.Line{{Function: fn, Line: 1}}}
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"},
		Period:     1, TimeNanos: time.Now().UnixNano(), DurationNanos: 1e9,
		Sample:   []*profile.Sample{{Location: []*profile.Location{loc}, Value: []int64{int64(n + 1)}}},
		Location: []*profile.Location{loc}, Function: []*profile.Function{fn},
	}
	var body bytes.Buffer
	if err := p.Write(&body); err != nil {
		panic(err)
	}
	return &pushv1.PushRequest{Series: []*pushv1.RawProfileSeries{{
		Labels: []*typesv1.LabelPair{
			{Name: "__name__", Value: "process_cpu"},
			{Name: "service_name", Value: service},
			{Name: "n", Value: strconv.Itoa(n)},
		},
		Samples: []*pushv1.RawSample{{ID: uuid.NewString(), RawProfile: body.Bytes()}},
	}}}
}

// verify checks that every acknowledged profile counts exactly once. Profiles
// whose outcome is unknown count once or not at all.
func (l *load) verify(t *testing.T, s *server) {
	t.Helper()
	now := time.Now()
	resp, err := s.querier().SelectSeries(t.Context(), connect.NewRequest(&querierv1.SelectSeriesRequest{
		ProfileTypeID: cpuType, LabelSelector: fmt.Sprintf("{service_name=%q}", l.service), GroupBy: []string{"n"},
		Start: now.Add(-time.Hour).UnixMilli(), End: now.Add(time.Minute).UnixMilli(), Step: 3600,
	}))
	require.NoError(t, err)
	got := map[string]int64{}
	for _, series := range resp.Msg.Series {
		require.Len(t, series.Labels, 1)
		n := series.Labels[0].Value
		for _, p := range series.Points {
			got[n] += int64(p.Value)
		}
	}
	for n, value := range got {
		i, err := strconv.Atoi(n)
		require.NoError(t, err)
		require.EqualValues(t, i+1, value, "profile %s counts more than once", n)
	}
	for _, n := range slices.Sorted(maps.Keys(l.acked)) {
		require.Equal(t, l.acked[n], got[n], "acknowledged profile %s", n)
	}
}

// TestE2EFirstLight: within a minute of the start, the server shows a flame
// graph of itself.
func TestE2EFirstLight(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir())
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(s.flamegraph(t, `{service_name="stackhouse"}`).GetNames(), func(name string) bool {
			return strings.HasPrefix(name, "github.com/stackhouse-db/stackhouse/") || strings.HasPrefix(name, "main.")
		})
	}, time.Minute, time.Second)
	require.Contains(t, s.stdout.String(), s.url)
	s.terminate(t)
}

// e2eBurn is a function to be found in a flame graph.
//
//go:noinline
func e2eBurn(until <-chan struct{}) (n uint64) {
	for {
		select {
		case <-until:
			return n
		default:
			for i := range uint64(1 << 16) {
				n += i * i
			}
		}
	}
}

// TestE2ERealClient: the Go SDK pushes a real CPU profile; it is there, and
// there again after a restart and after a kill.
func TestE2ERealClient(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, "--no-self-profiling")
	p, err := pyroscope.Start(pyroscope.Config{
		ApplicationName: "e2e", ServerAddress: s.url, UploadRate: time.Second,
		ProfileTypes: []pyroscope.ProfileType{pyroscope.ProfileCPU, pyroscope.ProfileInuseSpace, pyroscope.ProfileGoroutines},
	})
	require.NoError(t, err)
	until, burned := make(chan struct{}), make(chan struct{})
	go func() { defer close(burned); e2eBurn(until) }()
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(s.flamegraph(t, `{service_name="e2e"}`).GetNames(), func(name string) bool {
			return strings.HasSuffix(name, ".e2eBurn")
		})
	}, 30*time.Second, 200*time.Millisecond)
	close(until)
	<-burned
	require.NoError(t, p.Stop())

	want := s.flamegraph(t, `{service_name="e2e"}`)
	require.Positive(t, want.Total)
	s.terminate(t)
	s = start(t, dir, "--no-self-profiling")
	require.Equal(t, want.String(), s.flamegraph(t, `{service_name="e2e"}`).String(), "after a restart")
	s.kill()
	s = start(t, dir, "--no-self-profiling")
	require.Equal(t, want.String(), s.flamegraph(t, `{service_name="e2e"}`).String(), "after a kill")
	s.terminate(t)
}

// TestE2EStops: clients push and retry while the server is killed and stopped
// again and again. Nothing acknowledged is lost, nothing counts twice.
func TestE2EStops(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var current struct {
		sync.Mutex
		*server
	}
	get := func() *server { current.Lock(); defer current.Unlock(); return current.server }
	set := func(s *server) { current.Lock(); defer current.Unlock(); current.server = s }
	set(start(t, dir, "--no-self-profiling"))

	l := &load{service: "stops", acked: map[string]int64{}}
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	const nWriters = 4
	for w := range nWriters {
		writers.Go(func() {
			for n := w; l.push(ctx, get, n); n += nWriters {
			}
		})
	}
	for round := range 6 {
		acked := l.count()
		require.Eventually(t, func() bool { return l.count() > acked+20 }, 30*time.Second, time.Millisecond)
		if round%2 == 0 {
			get().kill()
		} else {
			get().terminate(t)
		}
		set(start(t, dir, "--no-self-profiling"))
	}
	acked := l.count()
	require.Eventually(t, func() bool { return l.count() > acked+20 }, 30*time.Second, time.Millisecond)
	cancel()
	writers.Wait()
	l.verify(t, get())
	get().terminate(t)
	set(start(t, dir, "--no-self-profiling"))
	l.verify(t, get())
	t.Logf("%d profiles acknowledged over 7 processes", l.count())
	get().terminate(t)
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// TestE2EOneLine: what stops a start is said in one line, with status 1.
func TestE2EOneLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir, "--no-self-profiling")
	httpAddr := strings.TrimPrefix(s.url, "http://")
	other := freeAddrs(t, 2)

	foreign, newer := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "letter.txt"), []byte("dear"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(newer, formatFile), []byte("stackhouse data directory\nblock 99\n"), 0o600))
	tests := []struct {
		name string
		got  *server
		want string
	}{
		{"taken port", launch(t, t.TempDir(), []string{httpAddr, other[1]}), "--http.listen: " + httpAddr + " is in use"},
		{"locked directory", launch(t, dir, freeAddrs(t, 2)), "is in use by another stackhouse (process \"" + strconv.Itoa(s.cmd.Process.Pid) + "\")"},
		{"foreign directory", launch(t, foreign, freeAddrs(t, 2)), `is not Stackhouse's: it holds "letter.txt"`},
		{"newer directory", launch(t, newer, freeAddrs(t, 2)), "written by a newer version of Stackhouse: it has block format 99, this one reads up to 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			select {
			case <-tt.got.exited:
			case <-time.After(5 * time.Second):
				t.Fatal("still running")
			}
			require.Equal(t, exitError, tt.got.cmd.ProcessState.ExitCode())
			require.Contains(t, tt.got.stderr.String(), tt.want)
			require.Equal(t, 1, strings.Count(tt.got.stderr.String(), "\n"), tt.got.stderr.String())
		})
	}
	s.terminate(t)
}
