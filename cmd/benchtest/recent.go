package main

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"connectrpc.com/connect"
	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
	"golang.org/x/sync/errgroup"
)

// runRecent pushes as profilers do, each profile when it is due and in a request of
// its own, and then, while that goes on, asks about the last minutes.
func runRecent(ctx context.Context, s *suite) error {
	sc := s.scale
	asking := time.Minute
	sc.steps = int((s.recent+asking)/step) + 4
	w, err := newWorkload(sc, s.seed, time.Now().UTC())
	if err != nil {
		return err
	}
	srv, err := s.server(ctx, filepath.Join(s.work, "recent"))
	if err != nil {
		return err
	}
	defer srv.Kill()
	pctx, stopPushing := context.WithCancel(ctx)
	defer stopPushing()
	pushing := make(chan error, 1)
	go func() { pushing <- pushWhenDue(pctx, srv.URL(), w) }()
	select {
	case <-time.After(s.recent):
	case err := <-pushing:
		return fmt.Errorf("the pushes ended: %w", err)
	}
	for _, name := range []string{"unmerged_parts", "unmerged_segments"} {
		n, err := metric(ctx, srv.URL(), "stackhouse_metastore_"+name)
		if err != nil {
			return err
		}
		s.put("recent/"+name, n, count)
	}
	if err := s.askRecent(ctx, newAsker(srv.URL()), w.start, asking); err != nil {
		return err
	}
	cpu, err := cpuOf(srv.PID())
	if err != nil {
		return err
	}
	s.put("recent/cpu_cores", cpu.Seconds()/time.Since(w.start).Seconds(), count)
	stopPushing()
	if err := <-pushing; err != nil {
		return err
	}
	return srv.Stop()
}

// askRecent asks about windows that end now, as often as it can for a while.
func (s *suite) askRecent(ctx context.Context, a *asker, start time.Time, asking time.Duration) error {
	took := map[string][]time.Duration{}
	for began := time.Now(); time.Since(began) < asking; {
		now := time.Now().UTC()
		five, all := spanOf(now.Add(-5*time.Minute), now), spanOf(start, now)
		for _, q := range []question{
			flame("flame_one_5m", cpuType, one, five, 8192),
			flame("flame_all_5m", cpuType, everything, five, 8192),
			flame("flame_one_all_time", cpuType, one, all, 8192),
			flame("flame_all_all_time", cpuType, everything, all, 8192),
			series("series_by_pod", cpuType, everything, all, []string{"pod"}, step),
			labelNames("label_names", everything, all),
		} {
			ans, err := a.ask(ctx, &q)
			if err != nil {
				return err
			}
			took[q.name] = append(took[q.name], ans.took)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(took)) {
		all := took[name]
		s.putTime("recent/"+name, median(all))
		s.putTime("recent/"+name+"_p99", quantile(all, 0.99))
	}
	return nil
}

// pushWhenDue pushes each profile at its time, until ctx ends.
func pushWhenDue(ctx context.Context, url string, w *workload) error {
	client := pushv1connect.NewPusherServiceClient(newClient(pushers), url)
	var g errgroup.Group
	g.SetLimit(pushers)
	for n := range w.profiles() {
		one := w.profile(n)
		select {
		case <-time.After(time.Until(one.at)):
		case <-ctx.Done():
			return g.Wait()
		}
		g.Go(func() error {
			req, err := requestOf([]sent{one})
			if err != nil {
				return err
			}
			_, err = client.Push(context.WithoutCancel(ctx), connect.NewRequest(req))
			return err
		})
	}
	return g.Wait()
}
