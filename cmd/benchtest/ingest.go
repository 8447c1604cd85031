package main

import (
	"context"
	"path/filepath"
	"time"
)

// workloadStart is the start of an hour that is over, so that it becomes final.
func workloadStart(hours int) time.Time {
	return time.Now().UTC().Truncate(time.Hour).Add(-time.Duration(hours+1) * time.Hour)
}

// runIngest pushes the workload at full speed.
func runIngest(ctx context.Context, s *suite) error {
	w, err := newWorkload(s.scale, s.seed, workloadStart(1))
	if err != nil {
		return err
	}
	dir := filepath.Join(s.work, "full")
	srv, err := s.server(ctx, dir)
	if err != nil {
		return err
	}
	defer srv.Kill()
	sent, err := push(ctx, srv.URL(), w)
	if err != nil {
		return err
	}
	cpu, err := cpuOf(srv.PID())
	if err != nil {
		return err
	}
	s.put("ingest/profiles", sent.perSecond(), perSecond)
	s.putTime("ingest/push_p50", quantile(sent.latencies, 0.5))
	s.putTime("ingest/push_p99", quantile(sent.latencies, 0.99))
	s.put("ingest/cpu", cpu.Seconds(), cpuSeconds)
	if err := settle(ctx, srv.URL()); err != nil {
		return err
	}
	if cpu, err = cpuOf(srv.PID()); err != nil {
		return err
	}
	million := float64(sent.samples) / 1e6
	s.put("ingest/cpu_settled_per_million_samples", cpu.Seconds()/million, cpuSeconds)
	peak, err := memoryOf(srv.PID(), "VmHWM")
	if err != nil {
		return err
	}
	s.put("ingest/peak_memory", peak, megabytes)
	if err := srv.Stop(); err != nil {
		return err
	}
	size, err := sizeOf(filepath.Join(dir, "bucket"))
	if err != nil {
		return err
	}
	s.put("ingest/stored_per_sample", float64(size)/float64(sent.samples), bytesEach)
	s.w, s.sent, s.full = w, sent, dir
	return nil
}

// fill makes sure that the whole workload is stored.
func (s *suite) fill(ctx context.Context) error {
	if s.full != "" {
		return nil
	}
	return runIngest(ctx, s)
}
