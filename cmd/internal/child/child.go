// Package child runs a Stackhouse server as a child process, for programs that
// measure or mistreat one. It is started again and again on the same ports, on
// loopback, and is ended by whoever started it.
//
// It is not for production: it keeps no server alive and restarts none.
package child

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
)

// Server is a server's process. Its methods are called by one goroutine at a time.
type Server struct {
	Binary string
	Dir    string   // its data directory
	Log    string   // file that its output is appended to
	Args   []string // further flags of serve
	Env    []string // further variables, as NAME=value

	HTTP, PG, Peer string // addresses, of free ports when New returned

	cmd  *exec.Cmd
	done chan struct{}
}

// New picks ports and starts nothing.
func New(binary, dir, log string, args ...string) (*Server, error) {
	s := &Server{Binary: binary, Dir: dir, Log: log, Args: args}
	for _, addr := range []*string{&s.HTTP, &s.PG, &s.Peer} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		*addr = ln.Addr().String()
	}
	return s, nil
}

// URL returns the base of the server's HTTP endpoints.
func (s *Server) URL() string { return "http://" + s.HTTP }

// PID returns the number of the process that was started last.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Start starts the process and returns how long it took to be ready. If it was
// killed before that, the error is [ErrKilled].
func (s *Server) Start(ctx context.Context) (time.Duration, error) {
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	fmt.Fprintf(log, "\n=== start %v\n", s.Env)
	args := append([]string{"serve", "--data-dir=" + s.Dir, "--http.listen=" + s.HTTP, "--pg.listen=" + s.PG, "--peer.listen=" + s.Peer}, s.Args...)
	cmd := exec.Command(s.Binary, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), s.Env...)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	s.cmd, s.done = cmd, make(chan struct{})
	go func(done chan struct{}) { _ = cmd.Wait(); close(done) }(s.done)
	for {
		if s.isReady(ctx) {
			return time.Since(began), nil
		}
		select {
		case <-s.done:
			if s.WasKilled() {
				return 0, ErrKilled
			}
			return 0, fmt.Errorf("the server does not start (%s); see %s", cmd.ProcessState, s.Log)
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
		if time.Since(began) > startTimeout {
			return 0, fmt.Errorf("the server is not ready after %s; see %s", startTimeout, s.Log)
		}
	}
}

// ErrKilled says that the server was killed by SIGKILL before it was ready.
var ErrKilled = errors.New("the server was killed")

func (s *Server) isReady(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"/ready", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// WasKilled reports whether the process that has ended was killed by SIGKILL.
func (s *Server) WasKilled() bool {
	status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signal() == syscall.SIGKILL
}

// Exited is closed when the process that was started last has ended.
func (s *Server) Exited() <-chan struct{} { return s.done }

// Kill ends the process by SIGKILL and waits for its end.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// Stop ends the process as an operator would.
func (s *Server) Stop() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case <-s.done:
		return nil
	case <-time.After(stopTimeout):
		s.Kill()
		return errors.New("the server does not stop")
	}
}
