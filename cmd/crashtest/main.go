// Command crashtest kills a server again and again while profiles are pushed to it,
// and then says of every profile whether it is there exactly once.
//
//	make crash KILLS=200
//
// Half of the kills come at random times, half at failpoints, each in turn. Every
// profile has a unique id as a label and a known value. What was sent, and what was
// acknowledged, is written down outside of the server, synced. After the last kill
// and a last restart the server is asked through the profiling API and through SQL;
// then, stopped, its stored objects are read. All three must agree, and for each id:
//
//	acknowledged, there once          right
//	acknowledged, not there           LOST
//	there more than once              DOUBLE
//	not acknowledged, there or not    right
//	there, never sent                 PHANTOM
//
// The exit status is 1 if anything is lost, double or a phantom, or if the three do
// not agree; the data directory then stays.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stackhouse-db/stackhouse/cmd/internal/child"
)

// options are the command line.
type options struct {
	binary  string
	dir     string
	kills   int
	seed    uint64
	writers int
	report  string
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/stackhouse-failpoints", "server, built with the tag failpoints")
	flag.StringVar(&o.dir, "dir", "", "working directory; default a new temporary one, removed if all is right")
	flag.IntVar(&o.kills, "kills", 25, "how often the server is killed")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of everything random")
	flag.IntVar(&o.writers, "writers", 4, "clients that push at the same time")
	flag.StringVar(&o.report, "report", "", "file for the report as JSON")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := run(ctx, &o)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(2)
	case !ok:
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) (bool, error) {
	isTemp := o.dir == ""
	if isTemp {
		var err error
		if o.dir, err = os.MkdirTemp("", "stackhouse-crash-"); err != nil {
			return false, err
		}
	}
	fmt.Printf("seed %d, %d kills, in %s\n", o.seed, o.kills, o.dir)
	h, err := newHarness(o)
	if err != nil {
		return false, err
	}
	if err := h.killAll(ctx); err != nil {
		return false, err
	}
	r, err := h.verdict(ctx)
	if err != nil {
		return false, err
	}
	fmt.Print(r)
	if o.report != "" {
		data, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return false, err
		}
		if err := os.WriteFile(o.report, data, 0o600); err != nil {
			return false, err
		}
	}
	ok := r.ok()
	if ok && isTemp {
		return ok, os.RemoveAll(o.dir)
	}
	return ok, nil
}

// harness is a run.
type harness struct {
	*options
	log     *slog.Logger
	rng     *rand.Rand
	points  []string // failpoints, in the order of their turn
	server  *child.Server
	writers []*writer
	ready   []time.Duration
	reached map[string]int // kills at failpoints
	unmet   map[string]int // failpoints that nobody came by in time
}

func newHarness(o *options) (*harness, error) {
	h := &harness{
		options: o, log: slog.New(slog.NewTextHandler(os.Stderr, nil)), rng: rand.New(rand.NewPCG(o.seed, 1)), //nolint:gosec // a test
		reached: map[string]int{}, unmet: map[string]int{},
	}
	points, err := listFailpoints(o.binary)
	if err != nil {
		return nil, err
	}
	h.rng.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
	h.points = points
	h.server, err = newServer(o.binary, filepath.Join(o.dir, "data"), filepath.Join(o.dir, "server.log"))
	return h, err
}

// killAll starts the server and writers, and kills the server as often as is asked.
func (h *harness) killAll(ctx context.Context) error {
	if err := h.start(ctx, ""); err != nil {
		return err
	}
	wctx, stopWriters := context.WithCancel(ctx)
	defer stopWriters()
	for i := range h.options.writers {
		w, err := newWriter(h, i)
		if err != nil {
			return err
		}
		h.writers = append(h.writers, w)
		go w.run(wctx)
	}
	turn := 0
	for n := range h.kills {
		point := ""
		if 2*h.atPoints() <= n {
			point = h.points[turn%len(h.points)]
			turn++
		}
		if err := h.kill(ctx, point); err != nil {
			return fmt.Errorf("kill %d: %w", n+1, err)
		}
		if (n+1)%10 == 0 {
			fmt.Printf("%d kills, %d acknowledged\n", n+1, h.acked())
		}
	}
	stopWriters()
	for _, w := range h.writers {
		if err := w.close(); err != nil {
			return err
		}
	}
	return nil
}

// failFirst are points that are reached only when something has failed before.
var failFirst = map[string]string{
	"compactor.undo.": "compactor.meta.after", // a job
	"ingest.abort.":   "ingest.register.after",
}

// kill kills the server, at a failpoint or at a random time, and starts it again.
func (h *harness) kill(ctx context.Context, point string) error {
	if point != "" {
		h.server.Kill()
		setting := fmt.Sprintf("%s=kill@%d", point, 1+h.rng.IntN(4))
		for prefix, first := range failFirst {
			if strings.HasPrefix(point, prefix) {
				setting = first + "=error," + point + "=kill"
			}
		}
		if err := h.start(ctx, setting); err != nil {
			return err
		}
		select {
		case <-h.server.Exited():
			if !h.server.WasKilled() {
				return fmt.Errorf("the server ended by itself at %s; see %s", point, h.server.Log)
			}
			h.reached[point]++
		case <-time.After(6 * time.Second):
			h.unmet[point]++
		case <-ctx.Done():
			return ctx.Err()
		}
	} else {
		select {
		case <-time.After(time.Duration(100+h.rng.IntN(2500)) * time.Millisecond):
		case <-h.server.Exited():
			return fmt.Errorf("the server ended by itself; see %s", h.server.Log)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	h.server.Kill()
	return h.start(ctx, "")
}

// start starts the server and waits until it is ready, or was killed by the
// failpoint on the way.
func (h *harness) start(ctx context.Context, failpoint string) error {
	took, err := startServer(ctx, h.server, failpoint)
	if err == nil && took > 0 {
		h.ready = append(h.ready, took)
	}
	return err
}

// atPoints returns the number of kills at failpoints.
func (h *harness) atPoints() (n int) {
	for _, kills := range h.reached {
		n += kills
	}
	return n
}

func (h *harness) acked() (n int) {
	for _, w := range h.writers {
		n += int(w.ackedCount.Load())
	}
	return n
}

// report is what came out.
type report struct {
	Seed        uint64
	Kills       int
	Failpoints  map[string]int // kills at each
	NotReached  []string       // failpoints that nobody came by in time; killed at random instead
	Sent, Acked int
	Right       int
	Lost        []string
	Double      []string
	Phantom     []string
	Differ      []string // where the ways to read disagree
	ReadyP50    time.Duration
	ReadyP99    time.Duration
	Levels      map[string]int // parts by level at the end
}

func (r *report) ok() bool { return len(r.Lost)+len(r.Double)+len(r.Phantom)+len(r.Differ) == 0 }

// String returns the report as people read it.
func (r *report) String() string {
	var b strings.Builder
	kills := 0
	for _, n := range r.Failpoints {
		kills += n
	}
	fmt.Fprintf(&b, "\nseed %d: %d kills, %d of them at %d failpoints\n", r.Seed, r.Kills, kills, len(r.Failpoints))
	fmt.Fprintf(&b, "sent %d, acknowledged %d, right %d\n", r.Sent, r.Acked, r.Right)
	fmt.Fprintf(&b, "lost %d, double %d, phantom %d, ways to read that differ %d\n", len(r.Lost), len(r.Double), len(r.Phantom), len(r.Differ))
	for name, ids := range map[string][]string{"LOST": r.Lost, "DOUBLE": r.Double, "PHANTOM": r.Phantom, "DIFFER": r.Differ} {
		for _, id := range ids[:min(len(ids), 5)] {
			fmt.Fprintf(&b, "  %s %s\n", name, id)
		}
	}
	fmt.Fprintf(&b, "ready after a restart: p50 %v, p99 %v\n", r.ReadyP50.Round(time.Millisecond), r.ReadyP99.Round(time.Millisecond))
	fmt.Fprintf(&b, "parts by level: %v\n", r.Levels)
	if len(r.NotReached) > 0 {
		fmt.Fprintf(&b, "failpoints not reached: %s\n", strings.Join(r.NotReached, ", "))
	}
	return b.String()
}

func percentile(all []time.Duration, p float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}
