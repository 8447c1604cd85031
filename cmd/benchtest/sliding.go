package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// slidingHours is how much the stage sliding stores, of 4 services with 4 pods.
const slidingHours = 24

// runSliding asks what a dashboard asks whose window moves on by ten seconds: the
// question for which a cache of partial results would be made. What such a cache
// saves is at most the time of the whole window less that of its first and last
// hour, which are covered in part and have to be read anyway. Data that an earlier run left in
// the working directory is used again.
func runSliding(ctx context.Context, s *suite) error {
	start, err := s.keptStart("sliding")
	if err != nil {
		return err
	}
	w, err := newWorkload(scales["small"].hours(slidingHours), s.seed, start.Add(-(slidingHours-1)*time.Hour))
	if err != nil {
		return err
	}
	dir := filepath.Join(s.work, "sliding")
	_, statErr := os.Stat(dir)
	srv, err := s.server(ctx, dir)
	if err != nil {
		return err
	}
	defer srv.Kill()
	if statErr != nil {
		if _, err := push(ctx, srv.URL(), w); err != nil {
			return err
		}
	}
	if err := settle(ctx, srv.URL()); err != nil {
		return err
	}
	a := newAsker(srv.URL())
	for _, hours := range []int{1, 6, 24} {
		if err := s.slide(ctx, a, w.end(), hours); err != nil {
			return err
		}
	}
	return srv.Stop()
}

// slide measures a window of so many hours.
func (s *suite) slide(ctx context.Context, a *asker, end time.Time, hours int) error {
	width := time.Duration(hours) * time.Hour
	took, edges := map[string][]time.Duration{}, map[string][]time.Duration{}
	var refresh, ofEdges []time.Duration
	for round := range s.rounds + 1 {
		to := end.Add(-20*time.Minute - time.Duration(s.rounds-round)*dashboardRefresh)
		from := to.Add(-width)
		whole, err := askPanels(ctx, a, spanOf(from, to), took)
		if err != nil {
			return err
		}
		firstHour := spanOf(from, from.Truncate(time.Hour).Add(time.Hour-time.Millisecond))
		lastHour := spanOf(to.Truncate(time.Hour), to)
		first, err := askPanels(ctx, a, firstHour, edges)
		if err != nil {
			return err
		}
		last, err := askPanels(ctx, a, lastHour, edges)
		if err != nil {
			return err
		}
		if round > 0 { // the first one warms
			refresh, ofEdges = append(refresh, whole), append(ofEdges, first+last)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(took)) {
		all := took[name]
		s.putTime(fmt.Sprintf("sliding/%dh/%s", hours, name), median(all))
	}
	s.putTime(fmt.Sprintf("sliding/%dh/refresh", hours), median(refresh))
	s.putTime(fmt.Sprintf("sliding/%dh/refresh_of_edges", hours), median(ofEdges))
	return nil
}

// askPanels asks a dashboard's questions and returns how long all took.
func askPanels(ctx context.Context, a *asker, s span, took map[string][]time.Duration) (sum time.Duration, err error) {
	for _, q := range panels(s) {
		ans, err := a.ask(ctx, &q)
		if err != nil {
			return 0, err
		}
		took[q.name] = append(took[q.name], ans.took)
		sum += ans.took
	}
	return sum, nil
}
