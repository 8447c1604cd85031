package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// get returns the status and body of a GET over a connection of its own.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

// TestStarting: one listener, first with the answer "starting", then with the
// real server, and never closed between the two.
func TestStarting(t *testing.T) {
	t.Parallel()
	ln, err := listen(t.Context(), "http.listen", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + ln.Addr().String()

	s := answerStarting(ln)
	for range 3 {
		status, body := get(t, url+"/ready")
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Equal(t, "starting\n", body)
	}
	require.NoError(t, s.stop())

	conn, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err, "the listener's queue takes connections meanwhile")
	require.NoError(t, conn.Close())

	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "real") })}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	status, body := get(t, url+"/ready")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "real", body)
	require.NoError(t, server.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
}

// TestHandOver: the stage is ready only when the starting server is gone, so
// that no request made after it is dropped with the starting server's connections.
func TestHandOver(t *testing.T) {
	t.Parallel()
	stopping, mayStop := make(chan struct{}), make(chan struct{})
	s := &startingServer{stop: func() error { close(stopping); <-mayStop; return nil }}
	serving := make(chan struct{})
	run, ready := s.handOver(func(context.Context) error { close(serving); return nil })

	isReady := make(chan error, 1)
	go func() { isReady <- ready(t.Context()) }()
	ran := make(chan error, 1)
	go func() { ran <- run(t.Context()) }()
	<-stopping
	select {
	case err := <-isReady:
		t.Fatal(err, "ready before the starting server has stopped")
	case <-serving:
		t.Fatal("served before the starting server has stopped")
	default:
	}
	close(mayStop)
	require.NoError(t, <-isReady)
	require.NoError(t, <-ran)
	<-serving

	failed := errors.New("no")
	run, ready = (&startingServer{stop: func() error { return failed }}).handOver(nil)
	require.ErrorIs(t, run(t.Context()), failed)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, ready(ctx), context.Canceled, "the stage's own failure is reported instead")
}

func TestListenErrors(t *testing.T) {
	t.Parallel()
	ln, err := listen(t.Context(), "http.listen", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	addr := ln.Addr().String()

	_, err = listen(t.Context(), "http.listen", addr)
	require.EqualError(t, err, "--http.listen: "+addr+" is in use by another process; stop it or choose another address")
	_, err = listen(t.Context(), "peer.listen", "203.0.113.1:4043")
	require.ErrorContains(t, err, "--peer.listen: ")
}
