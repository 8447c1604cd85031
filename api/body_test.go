package api

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

const smallLimit = 64 << 10

func small(o *Options) {
	o.Limits.MaxPushBytes = smallLimit
	o.Limits.MaxQueryBytes = 8 << 10
}

// unsized hides a reader's length, so that the body is sent in chunks.
func unsized(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) }

// TestBodyTooLarge: a body over the limit is 413, however its size comes to light.
func TestBodyTooLarge(t *testing.T) {
	t.Parallel()
	ts := start(t, small)
	fits, tooLarge := strings.Repeat("x", smallLimit), strings.Repeat("x", smallLimit+1)
	const push, ingest = "/push.v1.PusherService/Push", "/ingest?name=a&format=pprof"
	tests := []struct {
		name, path string
		body       io.Reader
		headers    []string
		status     int
	}{
		{"fits", ingest, strings.NewReader(fits), nil, 200},
		{"fits, chunked", ingest, unsized(fits), nil, 200},
		{"fits, inflated", ingest, unsized(gzipped(t, fits)), []string{"Content-Encoding", "gzip"}, 200},
		{"declared", ingest, strings.NewReader(tooLarge), nil, 413},
		{"chunked", ingest, unsized(tooLarge), nil, 413},
		{"inflated", ingest, strings.NewReader(gzipped(t, tooLarge)), []string{"Content-Encoding", "gzip"}, 413},
		{"push, declared", push, strings.NewReader(tooLarge), []string{"Content-Type", "application/proto"}, 413},
		{"push, chunked", push, unsized(tooLarge), []string{"Content-Type", "application/proto"}, 413},
		{"push, inflated", push, strings.NewReader(gzipped(t, tooLarge)), []string{"Content-Type", "application/proto", "Content-Encoding", "gzip"}, 413},
		{"query has its own limit", querierPath + "LabelNames", strings.NewReader(tooLarge[:8<<10+1]), []string{"Content-Type", "application/json"}, 413},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res := ts.send(t, "POST", tt.path, tt.body, tt.headers...)
			require.Equal(t, tt.status, res.status, res.body)
			if tt.status == 413 {
				require.Contains(t, res.body, "larger than the limit of")
				require.Contains(t, res.body, `"resource_exhausted"`)
				require.Empty(t, res.header.Get("Retry-After"), "trying again does not help")
			}
		})
	}
	t.Run("every protocol", func(t *testing.T) {
		t.Parallel()
		for name, c := range pushers(t, ts) {
			_, err := c.Push(t.Context(), pushOf([]string{tooLarge}))
			require.Equal(t, connect.CodeResourceExhausted, connect.CodeOf(err), "%s: %v", name, err)
		}
	})
	require.Eventually(t, func() bool { return ts.bodies.held.Load() == 0 }, 5*time.Second, time.Millisecond)
}

// TestBombIsBounded: what inflates a thousandfold is refused at the limit, and
// does not hold more than that.
func TestBombIsBounded(t *testing.T) {
	t.Parallel()
	ts := start(t, small)
	bomb := gzipped(t, strings.Repeat("\x00", 8<<20))
	res := ts.do(t, "POST", "/ingest?name=a&format=pprof", bomb, "Content-Encoding", "gzip")
	require.Equal(t, 413, res.status)
	for name, c := range pushers(t, ts) { // grpc inflates frames
		_, err := c.Push(t.Context(), pushOf([]string{strings.Repeat("\x00", 8<<20)}))
		require.Equal(t, connect.CodeResourceExhausted, connect.CodeOf(err), "%s: %v", name, err)
	}
	require.Empty(t, ts.Pusher.pushed())
}

// TestBadBody: what cannot be read is the client's error.
func TestBadBody(t *testing.T) {
	t.Parallel()
	ts := start(t, small)
	z := gzipped(t, strings.Repeat("some profile", 100))
	flipped := []byte(z)
	flipped[len(flipped)-6] ^= 0xff // the checksum
	for name, tt := range map[string]struct {
		body, encoding string
		status         int
	}{
		"not gzip":         {"plain text", "gzip", 400},
		"gzip cut":         {z[:len(z)/2], "gzip", 400},
		"gzip cut at once": {z[:5], "gzip", 400},
		"bad checksum":     {string(flipped), "gzip", 400},
		"empty gzip":       {"", "gzip", 400},
		"zstd":             {"x", "zstd", 415},
		"two encodings":    {"x", "gzip, gzip", 415},
		"identity":         {"x", "identity", 200},
		"capitals":         {z, "GZIP", 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := ts.do(t, "POST", "/ingest?name=a&format=pprof", tt.body, "Content-Encoding", tt.encoding)
			require.Equal(t, tt.status, res.status, res.body)
			if tt.status == 400 && tt.body != "" {
				res = ts.do(t, "POST", "/push.v1.PusherService/Push", tt.body, "Content-Encoding", tt.encoding, "Content-Type", "application/proto")
				require.Equal(t, tt.status, res.status, res.body)
			}
		})
	}
}

// TestBodyCutOff: a connection that ends within a body is a 400 in the log, and
// nothing is stored.
func TestBodyCutOff(t *testing.T) {
	t.Parallel()
	ts := start(t, small)
	for _, path := range []string{"/ingest?name=a&format=pprof", "/push.v1.PusherService/Push"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(ts.URL, "http://"))
		require.NoError(t, err)
		_, err = io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Type: application/proto\r\nContent-Length: 1000\r\n\r\nhalf")
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Contains(t, string(answer), "HTTP/1.1 400 Bad Request", path)
		require.Contains(t, string(answer), "request body ends early", path)
		require.NoError(t, conn.Close())
	}
	require.Empty(t, ts.Pusher.pushed())
}

// TestSlowBody: a client that does not send its body is told so and let go.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	ts := start(t, func(o *Options) { small(o); o.Limits.BodyTimeout = 50 * time.Millisecond })
	for _, path := range []string{"/ingest?name=a&format=pprof", "/push.v1.PusherService/Push"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(ts.URL, "http://"))
		require.NoError(t, err)
		_, err = io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Type: application/proto\r\nContent-Length: 1000\r\n\r\nhalf")
		require.NoError(t, err)
		answer, err := io.ReadAll(conn) // the server ends the connection
		require.NoError(t, err)
		require.Contains(t, string(answer), "HTTP/1.1 408 Request Timeout", path)
		require.NoError(t, conn.Close())
	}
}

// TestBodyClockStops: the time for a body is not the time for an answer.
func TestBodyClockStops(t *testing.T) {
	t.Parallel()
	ts := start(t, func(o *Options) { o.Limits.BodyTimeout = 30 * time.Millisecond })
	ts.Querier.hook = func(ctx context.Context, _ query.Selection) {
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond): // what is tested is that nothing happens
		}
	}
	for name, ask := range protocols(t, ts) {
		code, message := ask(t, "SelectMergeStacktraces", okSide)
		require.Zero(t, code, "%s: %s", name, message)
	}
}

// TestSlowReader: a client that does not take its answer is let go, and the
// answer's memory with it.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	ts := start(t, func(o *Options) { o.Limits.WriteTimeout = 50 * time.Millisecond })
	ts.Querier.names = []string{strings.Repeat("x", 32<<20)} // more than sockets buffer
	conn, err := net.Dial("tcp", strings.TrimPrefix(ts.URL, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
	body := `{` + okRange + `}`
	_, err = io.WriteString(conn, "POST "+querierPath+"LabelNames HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "+
		strconv.Itoa(len(body))+"\r\n\r\n"+body)
	require.NoError(t, err)
	route := `stackhouse_api_requests_total{route="` + querierPath + `LabelNames",status="200"}`
	require.Eventually(t, func() bool { return ts.metric(t, route) == "1" }, 10*time.Second, 10*time.Millisecond)
}

// TestWriteClockIsPerRequest: what is left of a connection's last request does
// not end the next one.
func TestWriteClockIsPerRequest(t *testing.T) {
	t.Parallel()
	ts := start(t, func(o *Options) { o.Limits.WriteTimeout = 30 * time.Millisecond })
	ts.Querier.hook = func(ctx context.Context, _ query.Selection) {
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond): // longer than the last request's deadline
		}
	}
	for name, ask := range protocols(t, ts) {
		for range 3 {
			code, message := ask(t, "SelectMergeStacktraces", okSide)
			require.Zero(t, code, "%s: %s", name, message)
		}
	}
}

// gate is a pusher that waits inside.
type gate struct {
	entered chan struct{}
	open    chan struct{}
}

func (g gate) Push(ctx context.Context, _ warehouse.Tenant, raws []profile.Raw) []warehouse.PushResult {
	g.entered <- struct{}{}
	out := make([]warehouse.PushResult, len(raws))
	select {
	case <-g.open:
	case <-ctx.Done():
		out[0].Err = ctx.Err()
	}
	return out
}

// TestBodiesBudget: all bodies together have a limit as well. What is above it is
// told to come back, and does when memory is free.
func TestBodiesBudget(t *testing.T) {
	t.Parallel()
	g := gate{make(chan struct{}), make(chan struct{})}
	ts := start(t, func(o *Options) {
		small(o)
		o.Pusher = g
		o.Limits.MaxBodiesBytes = smallLimit
	})
	body := strings.Repeat("x", smallLimit*2/3)
	first := make(chan answered)
	go func() { first <- ts.do(t, "POST", "/ingest?name=a&format=pprof", body) }()
	<-g.entered

	for name, r := range map[string]io.Reader{"declared": strings.NewReader(body), "chunked": unsized(body), "inflated": bytes.NewReader([]byte(gzipped(t, body)))} {
		var headers []string
		if name == "inflated" {
			headers = []string{"Content-Encoding", "gzip"}
		}
		res := ts.send(t, "POST", "/ingest?name=a&format=pprof", r, headers...)
		require.Equal(t, 503, res.status, name)
		require.Equal(t, "1", res.header.Get("Retry-After"), name)
		require.Contains(t, res.body, "memory for request bodies")
	}
	for name, c := range pushers(t, ts) {
		if strings.Contains(name, "gzip") {
			continue // their frames are small
		}
		_, err := c.Push(t.Context(), pushOf([]string{strings.Repeat("x", smallLimit/4)})) // twice: an id as well
		require.Equal(t, connect.CodeUnavailable, connect.CodeOf(err), "%s: %v", name, err)
	}

	close(g.open)
	require.Equal(t, 200, (<-first).status)
	go func() { first <- ts.do(t, "POST", "/ingest?name=a&format=pprof", body) }()
	<-g.entered
	require.Equal(t, 200, (<-first).status)
	require.Eventually(t, func() bool { return ts.metric(t, "stackhouse_api_bodies_bytes") == "0" }, 5*time.Second, time.Millisecond)
}

// TestLargeHeaders: headers are bounded too.
func TestLargeHeaders(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	res := ts.do(t, "GET", "/ready", "", "X-Filler", strings.Repeat("x", 1<<20))
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, res.status)
}
