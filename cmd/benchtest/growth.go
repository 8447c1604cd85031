package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/cmd/internal/child"
)

// runGrowth stores hours of the workload, the last one first, and keeps a copy of the
// data directory at each size. Then a server for each is asked the same questions in
// turns, so that what else the machine does meets them alike. Copies that an earlier
// run left in the working directory are used again.
func runGrowth(ctx context.Context, s *suite) error {
	sizes, err := parseHours(s.hours)
	if err != nil {
		return err
	}
	g := &growth{suite: s}
	if g.last, err = s.keptStart("growth"); err != nil {
		return err
	}
	for _, size := range sizes {
		g.worlds = append(g.worlds, grown{hours: size, dir: filepath.Join(s.work, fmt.Sprintf("growth-%d", size)), took: map[string][]time.Duration{}})
	}
	if _, err := os.Stat(g.worlds[len(g.worlds)-1].dir); err != nil {
		if err := g.store(ctx, sizes[len(sizes)-1]); err != nil {
			return err
		}
	}
	for i := range g.worlds {
		w := &g.worlds[i]
		if w.server, err = s.server(ctx, w.dir, "--memory="+growthMemory); err != nil {
			return err
		}
		defer w.server.Kill()
		w.asker = newAsker(w.server.URL())
	}
	if err := g.askAll(ctx); err != nil {
		return err
	}
	return g.report()
}

// growthMemory is what each server may take: less than what the largest one could fill
// its caches with.
const growthMemory = "2GiB"

// growth is the stage of that name.
type growth struct {
	*suite
	last   time.Time // start of the last hour
	worlds []grown
	order  []string // names of the questions
}

// grown is a server with so many hours.
type grown struct {
	hours  int
	dir    string
	server *child.Server
	asker  *asker
	took   map[string][]time.Duration
	memory float64 // MB, after all questions
}

func parseHours(text string) (out []int, err error) {
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 || len(out) > 0 && n <= out[len(out)-1] {
			return nil, fmt.Errorf("hours %q: want rising numbers, such as 1,4,16", text)
		}
		out = append(out, n)
	}
	return out, nil
}

func (g *growth) store(ctx context.Context, hours int) error {
	dir := filepath.Join(g.work, "growth")
	srv, err := child.New(g.binary, dir, filepath.Join(g.work, "server.log"), "--no-self-profiling")
	if err != nil {
		return err
	}
	w, err := newWorkload(g.suite.scale.hours(1), g.seed, g.last)
	if err != nil {
		return err
	}
	done := 0
	for i := range g.worlds {
		world := &g.worlds[i]
		if _, err := srv.Start(ctx); err != nil {
			return err
		}
		for ; done < world.hours; done++ {
			if _, err := push(ctx, srv.URL(), w.at(g.last.Add(-time.Duration(done)*time.Hour))); err != nil {
				return err
			}
			fmt.Fprintf(g.out, "  %d of %d hours stored\n", done+1, hours)
		}
		if err := settle(ctx, srv.URL()); err != nil {
			return err
		}
		if err := srv.Stop(); err != nil {
			return err
		}
		if err := os.CopyFS(world.dir, os.DirFS(dir)); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir)
}

// questions are about the last hour, and about all that is there.
func (g *growth) questions(hours int) []question {
	end := g.last.Add(time.Hour)
	hour, all := spanOf(g.last, end), spanOf(g.last.Add(-time.Duration(hours-1)*time.Hour), end)
	return []question{
		flame("last_hour_flame_one", cpuType, one, hour, allNodes),
		flame("last_hour_flame_all_8192", cpuType, generated, hour, 8192),
		series("last_hour_series_by_pod", cpuType, everything, hour, []string{"pod"}, step),
		flame("all_time_flame_nofilter_16384", cpuType, everything, all, 16384),
		flame("all_time_flame_one_8192", cpuType, one, all, 8192),
		series("all_time_series_by_service", cpuType, everything, all, []string{"service_name"}, 5*time.Minute),
		labelValues("all_time_label_values_pod", "pod", everything, all),
	}
}

func (g *growth) askAll(ctx context.Context) error {
	for round := range g.rounds + 1 {
		for i := range g.worlds {
			w := &g.worlds[(i+round)%len(g.worlds)] // each goes first as often
			for _, q := range g.questions(w.hours) {
				ans, err := w.asker.ask(ctx, &q)
				if err != nil {
					return err
				}
				if round > 0 { // the first one warms
					w.took[q.name] = append(w.took[q.name], ans.took)
				}
			}
		}
	}
	return nil
}

func (g *growth) report() (err error) {
	for i := range g.worlds {
		w := &g.worlds[i]
		if w.memory, err = memoryOf(w.server.PID(), "VmHWM"); err != nil {
			return err
		}
		g.put(fmt.Sprintf("growth/%dh/peak_memory", w.hours), w.memory, megabytes)
		for _, q := range g.questions(w.hours) {
			if i == 0 {
				g.order = append(g.order, q.name)
			}
			g.putTime(fmt.Sprintf("growth/%dh/%s", w.hours, q.name), median(w.took[q.name]))
			if i > 0 {
				before := g.worlds[i-1]
				factor := float64(median(w.took[q.name])) / float64(median(before.took[q.name]))
				g.put(fmt.Sprintf("growth/%dh/%s/of_%dh", w.hours, q.name, before.hours), factor, ratio)
			}
		}
	}
	if g.plot == "" {
		return nil
	}
	return os.WriteFile(g.plot, g.draw(), 0o644) //nolint:gosec // no secret
}

// draw returns the plot of every question over the hours.
func (g *growth) draw() []byte {
	p := plot{title: "warm p50, by hours of stored data", x: "hours stored", y: "ms"}
	for _, name := range g.order {
		l := line{name: strings.ReplaceAll(name, "_", " ")}
		for _, w := range g.worlds {
			took := slices.Clone(w.took[name])
			l.points = append(l.points, [2]float64{float64(w.hours), float64(median(took)) / float64(time.Millisecond)})
		}
		p.lines = append(p.lines, l)
	}
	return p.svg()
}
