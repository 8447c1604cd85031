package api

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func withStatus(s *Status, err error) func(*Options) {
	return func(o *Options) {
		o.Status = func(context.Context) (*Status, error) { return s, err }
		o.Info = func() Info { return Info{Version: "v0.1.0", Revision: "abc123"} }
	}
}

// someStatus is levels with parts, and a job of each state.
func someStatus() *Status {
	now := time.Now()
	hour := warehouse.MicrosOf(time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)).Hour()
	return &Status{
		Levels: []LevelStatus{
			{Level: 0, Parts: 1234, Hours: 3, Bytes: 3 << 20}, {Level: 1, Parts: 5, Hours: 2, Bytes: 1 << 20}, {Level: 3, Parts: 7, Hours: 7, Bytes: 1 << 30},
		},
		Oldest: now.Add(-90*time.Second - 500*time.Millisecond), IngestedBytes: 4 << 20, CompactedBytes: 6 << 20, Hidden: 2, Removed: 1,
		Jobs: []JobStatus{
			{Tenant: "team-a", Hour: hour, Level: 1, Inputs: 16, Bytes: 2048, State: JobWaiting, Since: now.Add(-3 * time.Second)},
			{Tenant: "team-a", Hour: hour + 1, Level: 3, Inputs: 2, State: JobRunning, Worker: "compactor", Attempts: 1, Since: now},
			{Tenant: "team-b", Hour: hour, Level: 3, Inputs: 2, State: JobSetAside, Attempts: 3, Failures: 3, Reason: "<b>no such object",
				Since: now.Add(-3 * time.Hour), FailedAt: time.Date(2026, 1, 2, 12, 0, 5, 0, time.UTC)},
		},
	}
}

func TestStatusPage(t *testing.T) {
	t.Parallel()
	ts := start(t, withStatus(someStatus(), nil))
	res := ts.do(t, "GET", "/status", "", "Accept", "text/html")
	require.Equal(t, 200, res.status)
	require.Equal(t, "text/html; charset=utf-8", res.header.Get("Content-Type"))
	text := textOf(res.body)
	for _, want := range []string{
		"Not final 4.0 MiB", "Segments 1 234", "Oldest segment 1 min 3", "Jobs waiting 1", "Jobs running 1", "Jobs set aside 1",
		"Write amplification 2.50", "Deletions going on 3", "segments 4.0 MiB blocks made of them 6.0 MiB", "Jobs that failed too often are set aside",
		"0 segments 1 234 3 3.0 MiB 1 blocks 5 2 1.0 MiB 3 final blocks 7 7 1.0 GiB",
		"set aside team-b 2026-01-02 10:00 3 2 0 B 3 h 0 min 3 <b>no such object 2026-01-02 12:00:05 " +
			"running team-a 2026-01-02 11:00 3 2 0 B 0 s 1 compactor waiting team-a 2026-01-02 10:00 1 16 2.0 KiB",
		"Stackhouse v0.1.0 (abc123)",
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, res.body, "<b>no")
	require.NotContains(t, text, "not listed")
	require.Equal(t, 405, ts.do(t, "POST", "/status", "").status)
}

func TestStatusPageOfNothing(t *testing.T) {
	t.Parallel()
	text := textOf(start(t, withStatus(&Status{}, nil)).do(t, "GET", "/status", "").body)
	for _, want := range []string{"Not final 0 B", "Segments 0", "Oldest segment –", "Write amplification –", "Nothing is stored yet.", "No jobs: nothing is to be merged now."} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "failed too often")
}

func TestStatusPageWithoutAnswers(t *testing.T) {
	t.Parallel()
	ts := start(t, func(o *Options) {
		withStatus(nil, warehouse.Errorf(warehouse.Unavailable, "snapshot: no leader"))(o)
		o.Ready = func(context.Context) error { return errors.New("replaying the log") }
	})
	res := ts.do(t, "GET", "/status", "")
	require.Equal(t, 200, res.status)
	require.Contains(t, textOf(res.body), "Not ready: replaying the log")
	require.Contains(t, textOf(res.body), "snapshot: no leader")
	require.Contains(t, textOf(start(t, nil).do(t, "GET", "/status", "").body), "this process does not know")
}

func TestStatusListsTheFirstJobs(t *testing.T) {
	t.Parallel()
	s := &Status{}
	for n := range mostJobs + 7 {
		s.Jobs = append(s.Jobs, JobStatus{Tenant: warehouse.Tenant(fmt.Sprint("t", n)), State: JobWaiting, Since: time.Now()})
	}
	s.Jobs = append(s.Jobs, JobStatus{Tenant: "t", State: JobSetAside})
	v := newStatusView(s, time.Now())
	require.Len(t, v.Jobs, mostJobs)
	require.Equal(t, JobSetAside, v.Jobs[0].State)
	require.Equal(t, warehouse.Tenant("t0"), v.Jobs[1].Tenant)
	require.Equal(t, []int{8, mostJobs + 7, 1, 0}, []int{v.More, v.Waiting, v.SetAside, v.Running})
	require.Equal(t, JobWaiting, s.Jobs[0].State, "the caller's list is as it was")
	require.Contains(t, textOf(start(t, withStatus(s, nil)).do(t, "GET", "/status", "").body), "8 more are not listed.")
}

func TestAgeText(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Hour: "0 s", 59*time.Second + 999*time.Millisecond: "59 s", time.Minute: "1 min 0 s", time.Hour: "1 h 0 min",
		47*time.Hour + 59*time.Minute: "47 h 59 min", 48 * time.Hour: "2 days",
	} {
		require.Equal(t, want, ageText(d), d)
	}
}
