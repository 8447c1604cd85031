package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

// listen binds an address, or says in one line which setting names it.
func listen(ctx context.Context, name, addr string) (*net.TCPListener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("--%s: %s is in use by another process; stop it or choose another address", name, addr)
	case err != nil:
		return nil, fmt.Errorf("--%s: %w", name, err)
	}
	return ln.(*net.TCPListener), nil
}

// startingServer answers 503 to every request while the log is replayed, so
// that clients and probes are told to come back instead of being left hanging.
type startingServer struct {
	// stop ends answering and leaves the listener open for its real server. No
	// connection is refused in between: they wait in the listener's queue. Calling
	// it again does nothing.
	stop func() error
}

// answerStarting serves ln until stop.
func answerStarting(ln *net.TCPListener) *startingServer {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	srv := &http.Server{Protocols: protocols, ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(sayStarting)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(borrowed{ln}) // ErrServerClosed after stop
	}()
	return &startingServer{stop: sync.OnceValue(func() error {
		err := srv.Close()
		<-done
		return errors.Join(err, ln.SetDeadline(time.Time{}))
	})}
}

// handOver makes the stage's functions out of the server that follows: run stops
// the starting server and serves, ready returns once nobody meets the starting
// server any more, which drops the connections it has.
func (s *startingServer) handOver(serve func(context.Context) error) (run, ready func(context.Context) error) {
	stopped := make(chan struct{})
	run = func(ctx context.Context) error {
		if err := s.stop(); err != nil {
			return err
		}
		close(stopped)
		return serve(ctx)
	}
	ready = func(ctx context.Context) error {
		select {
		case <-stopped:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return run, ready
}

func sayStarting(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Connection", "close") // the next request meets the real server
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, "starting\n") // the client may be gone
}

// borrowed is a listener that is not closed by Close: it only stops accepting.
type borrowed struct{ *net.TCPListener }

// Accept is that of the listener, which ends at Close.
func (b borrowed) Accept() (net.Conn, error) {
	conn, err := b.TCPListener.Accept()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, net.ErrClosed
	}
	return conn, err
}

// Close ends Accept.
func (b borrowed) Close() error { return b.SetDeadline(time.Unix(1, 0)) }
