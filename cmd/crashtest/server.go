package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/cmd/internal/child"
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

func newServer(binary, dir, log string) (*child.Server, error) {
	return child.New(binary, dir, log, "--memory=1GiB", "--no-self-profiling", "--log.level=debug",
		"--compaction.final-after=0", "--compaction.segment-age=500ms",
		"--manifest.every=1s") // nothing is deleted before a manifest knows that it is dead
}

// startServer starts the process and returns how long it took to be ready; 0 if it
// was killed before, which only a failpoint may do.
func startServer(ctx context.Context, s *child.Server, failpoint string) (time.Duration, error) {
	s.Env = []string{"STACKHOUSE_FAILPOINTS=" + failpoint}
	took, err := s.Start(ctx)
	if errors.Is(err, child.ErrKilled) && failpoint != "" {
		return 0, nil
	}
	return took, err
}
