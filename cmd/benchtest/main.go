// Command benchtest measures a server from outside, with a workload of its own, and
// compares what it measures with the figures that were recorded last.
//
//	make bench-suite                                  # everything, an hour or so
//	make bench-suite ARGS='-scale small -stages ingest,query'
//	make bench-suite ARGS=-record                     # keep the figures
//
// Stages:
//
//	ingest      the workload at full speed into an empty directory, until all is merged
//	query       the questions of docs/benchmarks.md: cold, warm, and beside bare DuckDB
//	            doing the same grouping over the same files, in turns
//	recent      questions about the last minutes after ten minutes of constant ingest
//	growth      1, 4 and 16 hours of data: one server for each, asked in turns
//	dashboards  eight dashboards beside ingest at full speed, for five minutes
//	sliding     dashboards of the last 1, 6 and 24 hours that move on by ten seconds
//	micro       Go benchmarks of the parts that bound the stages above
//
// Totals of answers are compared with what was pushed; a difference ends the run with
// status 2. The status is 1 if a figure is worse than recorded by more than the
// tolerance. Timings are taken on a quiet machine or not at all: the time of a fixed
// piece of work is recorded beside them, and times are compared in proportion to it.
package main

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
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
	binary, dir, scale, stages, recorded, plot string
	record                                     bool
	seed                                       uint64
	rounds                                     int
	tolerance                                  float64
	hours                                      string
	recent, dashboards                         time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/stackhouse", "server")
	flag.StringVar(&o.dir, "dir", "", "working directory; default a new temporary one, which is removed")
	flag.StringVar(&o.scale, "scale", "medium", "tiny, small or medium")
	flag.StringVar(&o.stages, "stages", strings.Join(stageNames(), ","), "which to run, in this order")
	flag.StringVar(&o.recorded, "recorded", "docs/bench/SCALE.json", "file of the figures that were recorded last")
	flag.BoolVar(&o.record, "record", false, "keep the figures of this run")
	flag.StringVar(&o.plot, "plot", "", "file for the plot of the stage growth, as SVG")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of the workload")
	flag.IntVar(&o.rounds, "rounds", 9, "how often a question is asked when warm")
	flag.Float64Var(&o.tolerance, "tolerance", 1.5, "factor by which a figure may be worse than recorded")
	flag.StringVar(&o.hours, "hours", "1,4,16", "sizes of the stage growth, in hours, rising")
	flag.DurationVar(&o.recent, "recent", 10*time.Minute, "how long the stage recent pushes")
	flag.DurationVar(&o.dashboards, "dashboards", 5*time.Minute, "how long the stage dashboards asks")
	flag.Parse()
	o.recorded = strings.ReplaceAll(o.recorded, "SCALE", o.scale)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	worse, err := run(ctx, &o, os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "benchtest:", err)
		os.Exit(2)
	case len(worse) > 0:
		fmt.Fprintln(os.Stderr, "worse than recorded:", strings.Join(worse, ", "))
		os.Exit(1)
	}
}

// stage is one part of the suite.
type stage struct {
	name string
	run  func(ctx context.Context, s *suite) error
}

var stages = []stage{
	{"ingest", runIngest}, {"query", runQuery}, {"recent", runRecent}, {"growth", runGrowth},
	{"dashboards", runDashboards}, {"sliding", runSliding}, {"micro", runMicro},
}

func stageNames() (names []string) {
	for _, s := range stages {
		names = append(names, s.name)
	}
	return names
}

// suite is a run.
type suite struct {
	*options
	*figures
	scale scale
	work  string // folder of everything that is written
	full  string // data directory with the whole workload, once the stage ingest has run
	w     *workload
	sent  *pushed
}

func run(ctx context.Context, o *options, out io.Writer) (worse []string, err error) {
	sc, ok := scales[o.scale]
	if !ok {
		return nil, fmt.Errorf("scale %q: want tiny, small or medium", o.scale)
	}
	wanted := strings.Split(o.stages, ",")
	for _, name := range wanted {
		if !slices.Contains(stageNames(), name) {
			return nil, fmt.Errorf("stage %q: want some of %s", name, strings.Join(stageNames(), ", "))
		}
	}
	last, err := readFigures(o.recorded)
	if err != nil {
		return nil, err
	}
	s := &suite{options: o, scale: sc, work: o.dir, figures: newFigures(o.scale, strings.Join(os.Args[1:], " "), out)}
	if s.work == "" {
		if s.work, err = os.MkdirTemp("", "stackhouse-bench-"); err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(s.work) }()
	}
	s.put(machineFigure, float64(fixedWork())/float64(time.Millisecond), millis)
	for _, st := range stages {
		if !slices.Contains(wanted, st.name) {
			continue
		}
		fmt.Fprintf(out, "\n%s\n", st.name)
		began := time.Now()
		if err := st.run(ctx, s); err != nil {
			return nil, fmt.Errorf("stage %s: %w", st.name, err)
		}
		fmt.Fprintf(out, "  (%s)\n", time.Since(began).Round(time.Second))
	}
	if last != nil {
		worse = s.compare(last, o.tolerance)
	}
	if o.record {
		return worse, s.keep(last)
	}
	return worse, nil
}

// keep writes the figures of this run over the recorded ones; those of stages that
// did not run stay.
func (s *suite) keep(last *figures) error {
	if last != nil {
		for name, f := range last.Figures {
			if _, ok := s.Figures[name]; !ok {
				s.Figures[name] = f
			}
		}
	}
	if err := os.MkdirAll(filepath.Dir(s.recorded), 0o755); err != nil { //nolint:gosec // no secret
		return err
	}
	return s.write(s.recorded)
}

// fixedWork hashes 64 MiB, the least of five times.
func fixedWork() time.Duration {
	data := make([]byte, 64<<20)
	least := time.Hour
	for range 5 {
		began := time.Now()
		_ = sha256.Sum256(data)
		least = min(least, time.Since(began))
	}
	return least
}

// keptStart returns the start of the last hour of a stage's data: that of the data
// which an earlier run left in the working directory, or of the last hour that is
// over, which is then remembered.
func (s *suite) keptStart(stage string) (time.Time, error) {
	file := filepath.Join(s.work, stage+".start")
	data, err := os.ReadFile(file)
	if err == nil {
		return time.Parse(time.RFC3339, string(data))
	}
	start := workloadStart(1)
	return start, os.WriteFile(file, []byte(start.Format(time.RFC3339)), 0o600)
}

// server starts a server on a data directory.
func (s *suite) server(ctx context.Context, dir string, args ...string) (*child.Server, error) {
	c, err := child.New(s.binary, dir, filepath.Join(s.work, "server.log"), append([]string{"--no-self-profiling"}, args...)...)
	if err != nil {
		return nil, err
	}
	_, err = c.Start(ctx)
	return c, err
}
