package api

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// TestDiskFull: pushes are refused by every protocol before their bodies are read,
// questions are answered.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	full := warehouse.Refuse(warehouse.Limit, warehouse.ReasonDiskFull, "no profiles are accepted: the disk of the bucket has 1 MiB free")
	ts := start(t, func(o *Options) { o.Admit = func() error { return full } })
	for _, path := range []string{"/ingest?name=x", "/pyroscope/ingest?name=x", pushv1connect.PusherServicePushProcedure} {
		res := ts.do(t, "POST", path, "{}", "Content-Type", "application/json")
		require.Equal(t, 507, res.status, path)
		require.Equal(t, "10", res.header.Get("Retry-After"), path)
		require.Contains(t, res.body, "no profiles are accepted: the disk of the bucket has 1 MiB free")
		require.Contains(t, res.body, `"resource_exhausted"`)
	}
	require.Empty(t, ts.Pusher.pushed())
	for name, opts := range map[string][]connect.ClientOption{"connect": nil, "grpc": {connect.WithGRPC()}, "grpcweb": {connect.WithGRPCWeb()}} {
		client := pushv1connect.NewPusherServiceClient(http2(t), ts.URL, opts...)
		_, err := client.Push(t.Context(), connect.NewRequest(&pushv1.PushRequest{}))
		require.Equal(t, connect.CodeResourceExhausted, connect.CodeOf(err), name)
		var ce *connect.Error
		require.ErrorAs(t, err, &ce)
		require.Len(t, ce.Details(), 2, name)
		detail, err := ce.Details()[0].Value()
		require.NoError(t, err)
		require.Equal(t, warehouse.ReasonDiskFull, detail.(*errdetails.ErrorInfo).GetReason())
		detail, err = ce.Details()[1].Value()
		require.NoError(t, err)
		require.Equal(t, 10*time.Second, detail.(*errdetails.RetryInfo).GetRetryDelay().AsDuration())
	}
	require.Equal(t, 200, ts.do(t, "GET", "/ready", "").status)
	require.NotEqual(t, 507, ts.do(t, "POST", "/querier.v1.QuerierService/ProfileTypes", `{"start":"1","end":"2"}`, "Content-Type", "application/json").status)
}

// TestWarnings: what an operator should look at is on every page that says how it is.
func TestWarnings(t *testing.T) {
	t.Parallel()
	ts := start(t, func(o *Options) {
		withStatus(someStatus(), nil)(o)
		o.Warnings = func() []string { return []string{"the disk of the <bucket> is low"} }
	})
	require.Equal(t, "ready\nwarning: the disk of the <bucket> is low\n", ts.do(t, "GET", "/ready", "").body)
	require.Contains(t, ts.do(t, "GET", "/status", "").body, "Warning: the disk of the &lt;bucket&gt; is low")
}

func TestStatusShowsDamage(t *testing.T) {
	t.Parallel()
	s := someStatus()
	require.Contains(t, textOf(start(t, withStatus(s, nil)).do(t, "GET", "/status", "").body), "Damaged objects – All verified –")
	s.Scrub = &ScrubStatus{}
	require.Contains(t, textOf(start(t, withStatus(s, nil)).do(t, "GET", "/status", "").body), "Damaged objects none All verified not yet")
	s.Scrub = &ScrubStatus{Damaged: 3, DamagedBytes: 2048, Damage: []string{"a<b: found x"}, LastPass: time.Now().Add(-50 * time.Hour), Oldest: 3 * time.Hour}
	res := start(t, withStatus(s, nil)).do(t, "GET", "/status", "")
	text := textOf(res.body)
	require.Contains(t, text, "Damaged objects 3, 2.0 KiB All verified 2 days ago, oldest 3 h 0 min")
	require.Contains(t, text, "Stored bytes are damaged.")
	require.Contains(t, text, "2 more objects are not listed.")
	require.NotContains(t, res.body, "a<b")
}

func TestAdminScrub(t *testing.T) {
	t.Parallel()
	require.Equal(t, 501, start(t, nil).do(t, "POST", "/api/v1/admin/scrub", "").status)
	var end error
	ts := start(t, func(o *Options) {
		o.Scrub = func(_ context.Context, emit func(ScrubEvent) error) error {
			if errors.Is(end, errEarly) {
				return warehouse.Errorf(warehouse.Exists, "scrub: a pass is running already")
			}
			if err := emit(ScrubEvent{Event: ScrubDamage, Object: "x", What: "footer", Expected: "a", Found: "b"}); err != nil {
				return err
			}
			if end != nil {
				return end
			}
			return emit(ScrubEvent{Event: ScrubSummary, Objects: 2, Damaged: 1})
		}
	})
	res := ts.do(t, "POST", "/api/v1/admin/scrub", "{}")
	require.Equal(t, 200, res.status)
	require.Equal(t, "application/x-ndjson", res.header.Get("Content-Type"))
	lines := strings.Split(strings.TrimSpace(res.body), "\n")
	require.Len(t, lines, 2)
	var e ScrubEvent
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &e))
	require.Equal(t, "x: footer: found b, expected a", e.Damage().Error())
	end = warehouse.Errorf(warehouse.Unavailable, "no leader")
	require.Contains(t, ts.do(t, "POST", "/api/v1/admin/scrub", "").body, `{"event":"error","error":"no leader"}`)
	end = errEarly
	require.Equal(t, 409, ts.do(t, "POST", "/api/v1/admin/scrub", "").status)
	require.Equal(t, 405, ts.do(t, "GET", "/api/v1/admin/scrub", "").status)
	require.Equal(t, 403, ts.do(t, "POST", "/api/v1/admin/scrub", "", "Sec-Fetch-Site", "cross-site").status)
}

var errEarly = errors.New("before anything was answered")

// fakeJobs are jobs of a metastore.
type fakeJobs struct {
	jobs []JobStatus
	ids  []warehouse.ObjectID
	err  error
}

func (f *fakeJobs) Jobs(context.Context) ([]JobStatus, error) { return f.jobs, f.err }

func (f *fakeJobs) ReleaseJobs(_ context.Context, ids []warehouse.ObjectID) (int, error) {
	f.ids = ids
	return 7, f.err
}

func TestAdminJobs(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/api/v1/admin/jobs", "/api/v1/admin/jobs/release"} {
		method := "GET"
		if strings.HasSuffix(path, "release") {
			method = "POST"
		}
		require.Equal(t, 501, start(t, nil).do(t, method, path, "").status)
	}
	jobs := &fakeJobs{}
	ts := start(t, func(o *Options) { o.Jobs = jobs })
	require.Equal(t, "{\"jobs\":[]}\n", ts.do(t, "GET", "/api/v1/admin/jobs", "").body)
	jobs.jobs = someStatus().Jobs
	var got AdminJobs
	require.NoError(t, json.Unmarshal([]byte(ts.do(t, "GET", "/api/v1/admin/jobs", "").body), &got))
	require.Len(t, got.Jobs, 3)
	require.Equal(t, "set aside", got.Jobs[2].State)
	require.Equal(t, "2026-01-02T10", got.Jobs[2].Hour)
	require.NotNil(t, got.Jobs[2].FailedAt)
	require.Nil(t, got.Jobs[0].FailedAt)

	const id = "01JZZZZZZZ0123456789ABCDEF"
	for body, status := range map[string]int{
		`{"jobs":["` + id + `"]}`: 200, `{"all":true}`: 200,
		``: 400, `{}`: 400, `{"jobs":[]}`: 400, `{"jobs":["x"]}`: 400, `{"all":true,"jobs":["` + id + `"]}`: 400, `{"ids":[]}`: 400, `{"all":1}`: 400,
	} {
		res := ts.do(t, "POST", "/api/v1/admin/jobs/release", body, "Content-Type", "application/json")
		require.Equal(t, status, res.status, "%s: %s", body, res.body)
		if status == 200 {
			require.Equal(t, "{\"released\":7}\n", res.body)
		}
	}
	ts.do(t, "POST", "/api/v1/admin/jobs/release", `{"jobs":["`+id+`"]}`)
	require.Len(t, jobs.ids, 1)
	jobs.err = warehouse.Errorf(warehouse.Unavailable, "no leader")
	require.Equal(t, 503, ts.do(t, "GET", "/api/v1/admin/jobs", "").status)
	require.Equal(t, 503, ts.do(t, "POST", "/api/v1/admin/jobs/release", `{"all":true}`).status)
}
