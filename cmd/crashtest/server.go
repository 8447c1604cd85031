package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// listFailpoints asks a binary for its failpoints.
func listFailpoints(binary string) ([]string, error) {
	cmd := exec.Command(binary, "serve")
	cmd.Env = []string{"STACKHOUSE_FAILPOINTS=list"}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list failpoints of %s: %w", binary, err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		name, _, ok := strings.Cut(line, "\t")
		if ok {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has no failpoints: build it with the tag failpoints", binary)
	}
	return names, nil
}

// server is the server's process, which is started again and again on the same
// ports.
type server struct {
	binary, dir, log string
	http, pg, peer   string
	cmd              *exec.Cmd
	done             chan struct{}
}

func newServer(binary, dir, log string) (*server, error) {
	s := &server{binary: binary, dir: dir, log: log}
	for _, addr := range []*string{&s.http, &s.pg, &s.peer} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		*addr = ln.Addr().String()
	}
	return s, nil
}

// start starts the process and returns how long it took to be ready; 0 if it was
// killed before, which only a failpoint may do.
func (s *server) start(ctx context.Context, failpoint string) (time.Duration, error) {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	fmt.Fprintf(log, "\n=== start %s\n", failpoint)
	cmd := exec.Command(s.binary, "serve", "--data-dir="+s.dir, "--http.listen="+s.http, "--pg.listen="+s.pg, "--peer.listen="+s.peer,
		"--memory=1GiB", "--no-self-profiling", "--log.level=debug", "--compaction.final-after=0", "--compaction.segment-age=500ms",
		"--manifest.every=1s") // nothing is deleted before a manifest knows that it is dead
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "STACKHOUSE_FAILPOINTS="+failpoint)
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
			if failpoint != "" && s.wasKilled() {
				return 0, nil // by the signal
			}
			return 0, fmt.Errorf("the server does not start (%s); see %s", cmd.ProcessState, s.log)
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
		if time.Since(began) > 30*time.Second {
			return 0, errors.New("the server is not ready after 30 s")
		}
	}
}

func (s *server) isReady(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.http+"/ready", nil)
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

// wasKilled reports whether the process that has ended was killed by SIGKILL.
func (s *server) wasKilled() bool {
	status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signal() == syscall.SIGKILL
}

func (s *server) exited() <-chan struct{} { return s.done }

// kill ends the process by SIGKILL and waits for its end.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// stop ends the process as an operator would.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case <-s.done:
		return nil
	case <-time.After(20 * time.Second):
		s.kill()
		return errors.New("the server does not stop")
	}
}
