package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	dashboardCount   = 8
	dashboardRefresh = 10 * time.Second
)

// panels are the twelve questions of a dashboard.
func panels(s span) []question {
	qs := []question{
		flame("flame_all", cpuType, everything, s, 8192),
		flame("flame_inuse_one", inuseType, one, s, 8192),
		series("series_one_by_pod", cpuType, one, s, []string{"pod"}, step),
		series("series_by_service", cpuType, everything, s, []string{"service_name"}, time.Minute),
		series("series_inuse_by_service", inuseType, everything, s, []string{"service_name"}, time.Minute),
		labelNames("label_names", one, s),
		labelValues("label_values_pod", "pod", everything, s),
		labelValues("label_values_service", "service_name", everything, s),
	}
	for n := range 4 {
		qs = append(qs, flame("flame_one", cpuType, fmt.Sprintf(`{service_name=%q}`, serviceName(n)), s, 8192))
	}
	return qs
}

// runDashboards measures ingest at full speed alone, then with dashboards over the
// hour that is being written.
func runDashboards(ctx context.Context, s *suite) error {
	dir := filepath.Join(s.work, "dashboards")
	srv, err := s.server(ctx, dir)
	if err != nil {
		return err
	}
	defer srv.Kill()
	w, err := newWorkload(s.scale, s.seed, workloadStart(1))
	if err != nil {
		return err
	}
	f := &firehose{url: srv.URL(), w: w}
	alone, err := f.run(ctx, min(s.dashboards/2, time.Minute), nil)
	if err != nil {
		return err
	}
	s.put("dashboards/ingest_alone", alone, perSecond)
	d := &dashboards{url: srv.URL(), took: map[string][]time.Duration{}}
	beside, err := f.run(ctx, s.dashboards, d.run)
	if err != nil {
		return err
	}
	s.put("dashboards/ingest_beside", beside, perSecond)
	s.put("dashboards/ingest_slowdown", alone/beside, ratio)
	s.put("dashboards/errors", float64(len(d.errors)), count)
	var all []time.Duration
	for _, name := range slices.Sorted(maps.Keys(d.took)) {
		took := d.took[name]
		s.putTime("dashboards/"+name+"/p50", median(took))
		s.putTime("dashboards/"+name+"/p99", quantile(took, 0.99))
		all = append(all, took...)
	}
	s.put("dashboards/answers", float64(len(all)), count)
	s.putTime("dashboards/p50", median(all))
	s.putTime("dashboards/p99", quantile(all, 0.99))
	s.putTime("dashboards/max", all[len(all)-1])
	peak, err := memoryOf(srv.PID(), "VmHWM")
	if err != nil {
		return err
	}
	s.put("dashboards/peak_memory", peak, megabytes)
	if len(d.errors) > 0 {
		return fmt.Errorf("%d questions failed; the first: %w", len(d.errors), d.errors[0])
	}
	return srv.Stop()
}

// firehose pushes the workload at full speed, again and again, each time an hour
// earlier.
type firehose struct {
	url string
	w   *workload
}

// run pushes for a while, beside what is given, and returns profiles a second.
func (f *firehose) run(ctx context.Context, d time.Duration, beside func(context.Context, span) error) (float64, error) {
	began, profiles := time.Now(), 0
	until, stop := context.WithDeadline(ctx, began.Add(d))
	defer stop()
	var g errgroup.Group
	for until.Err() == nil {
		f.w = f.w.at(f.w.start.Add(-time.Hour))
		if beside != nil { // once, over what is being written from now on
			ask, s := beside, spanOf(f.w.start, f.w.end())
			beside = nil
			g.Go(func() error { return ask(until, s) })
		}
		sent, err := push(until, f.url, f.w)
		if err != nil && (until.Err() == nil || ctx.Err() != nil) {
			return 0, err
		}
		profiles += len(sent.latencies) * profilesOfPush
	}
	took := time.Since(began)
	return float64(profiles) / took.Seconds(), g.Wait()
}

// dashboards are people who look at the same data.
type dashboards struct {
	url string

	mu     sync.Mutex // guards what is below
	took   map[string][]time.Duration
	errors []error
}

// run refreshes every dashboard until ctx ends.
func (d *dashboards) run(ctx context.Context, s span) error {
	var g errgroup.Group
	for n := range dashboardCount {
		g.Go(func() error {
			wait(ctx, time.Duration(n)*dashboardRefresh/dashboardCount)
			for ctx.Err() == nil {
				began := time.Now()
				d.refresh(ctx, s)
				wait(ctx, dashboardRefresh-time.Since(began))
			}
			return nil
		})
	}
	return g.Wait()
}

// refresh asks the questions of a dashboard, one after the other.
func (d *dashboards) refresh(ctx context.Context, s span) {
	a := newAsker(d.url)
	defer a.client.CloseIdleConnections()
	for _, q := range panels(s) {
		ans, err := a.ask(ctx, &q)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
			return // the run is over
		}
		d.mu.Lock()
		d.took[q.name] = append(d.took[q.name], ans.took)
		if err != nil {
			d.errors = append(d.errors, err)
		}
		d.mu.Unlock()
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
