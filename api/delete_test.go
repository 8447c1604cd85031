package api

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// fakeAdmin remembers what it was asked.
type fakeAdmin struct {
	tenant  warehouse.Tenant
	request DeleteRequest
	rules   []RetentionRule
	err     error
}

func (a *fakeAdmin) Delete(_ context.Context, t warehouse.Tenant, r DeleteRequest) (DeleteAnswer, error) {
	a.tenant, a.request = t, r
	out := DeleteAnswer{Series: 2, Profiles: 30, Rows: 400, Bytes: 5000}
	if !r.DryRun {
		binary.BigEndian.PutUint64(out.ID[8:], 7)
	}
	return out, a.err
}

func (a *fakeAdmin) Deletions(_ context.Context, t warehouse.Tenant) ([]DeletionStatus, error) {
	a.tenant = t
	at := warehouse.MicrosOf(time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC))
	d := warehouse.Deletion{Tenant: t, Services: []string{"cart"}, From: at, To: at + 1, Selector: "{}", Reason: warehouse.DeletedByOperator, SubmittedAt: at}
	done := d
	done.ID[15] = 1
	done.Series = []warehouse.SeriesID{1, 2}
	return []DeletionStatus{{Deletion: &d, State: "hidden", Parts: 3, Bytes: 9}, {Deletion: &done, State: "done", AppliedAt: at + 1, GoneAt: at + 2}}, a.err
}

func (a *fakeAdmin) Retention(_ context.Context, t warehouse.Tenant) (Retention, error) {
	a.tenant = t
	return Retention{Default: 31 * day, Tenant: InheritRetention, Rules: a.rules}, a.err
}

func (a *fakeAdmin) SetRetention(_ context.Context, t warehouse.Tenant, r RetentionRule) error {
	a.tenant, a.rules = t, []RetentionRule{r}
	return a.err
}

func startAdmin(t *testing.T) (*testServer, *fakeAdmin) {
	t.Helper()
	a := &fakeAdmin{}
	return start(t, func(o *Options) { o.Admin = a }), a
}

// messageOf returns what an error answer says.
func messageOf(t *testing.T, body string) string {
	t.Helper()
	var said struct{ Message string }
	require.NoError(t, json.Unmarshal([]byte(body), &said), body)
	return said.Message
}

func TestDelete(t *testing.T) {
	t.Parallel()
	ts, a := startAdmin(t)
	const body = `{"selector": "{service_name=\"cart\", pod=~\"a.*\"}", "from": "2026-01-02T10:00:00.000001Z", "to": 1767348060000}`
	res := ts.do(t, "POST", "/api/v1/admin/delete", body, "X-Scope-OrgID", "acme")
	require.Equal(t, 200, res.status, res.body)
	id := warehouse.ObjectID{}
	binary.BigEndian.PutUint64(id[8:], 7)
	require.JSONEq(t, `{"id": "`+id.String()+`", "dry_run": false, "selector": "{service_name=\"cart\", pod=~\"a.*\"}",
		"from": "2026-01-02T10:00:00.000001Z", "to": "2026-01-02T10:01:00.000000Z", "series": 2, "profiles": 30, "rows": 400, "bytes": 5000}`, res.body)
	require.Equal(t, warehouse.Tenant("acme"), a.tenant)
	require.Len(t, a.request.Matchers, 2)
	res = ts.do(t, "POST", "/api/v1/admin/delete", `{"all": true, "dry_run": true}`)
	require.NotContains(t, res.body, `"id"`)
}

func TestDeleteRequests(t *testing.T) {
	t.Parallel()
	ts, a := startAdmin(t)
	at := warehouse.MicrosOf(time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC))
	for body, want := range map[string]DeleteRequest{
		`{"service": "it's"}`:                   {Selector: `{service_name="it's"}`, From: warehouse.MinTime, To: warehouse.MaxTime + 1},
		`{"all": true, "dry_run": true}`:        {From: warehouse.MinTime, To: warehouse.MaxTime + 1, DryRun: true},
		`{"from": "2026-01-02T12:00:00+02:00"}`: {From: at, To: warehouse.MaxTime + 1},
		`{"from": 1767348000000, "to": 1767348000001, "selector": "` + cpuType + `{}"}`: {
			Selector: cpuType + "{}", From: at, To: at + 1000,
		},
	} {
		res := ts.do(t, "POST", "/api/v1/admin/delete", body)
		require.Equal(t, 200, res.status, "%s: %s", body, res.body)
		got := a.request
		got.Matchers = nil
		require.Equal(t, want, got, body)
	}
	for body, want := range map[string]string{
		``:                                   "body: want a JSON object",
		`[]`:                                 "body: want a JSON object",
		`null`:                               "body: want a JSON object",
		`{} {}`:                              "something behind the JSON object",
		`{}`:                                 `say so with "all": true`,
		`{"selector": "{}"}`:                 `say so with "all": true`,
		`{"everything": true}`:               `field "everything" is not known`,
		`{"all": "yes"}`:                     "field all: a string is not what is wanted",
		`{"all": null}`:                      "field all: it is null",
		`{"service": ""}`:                    "field service: it is empty",
		`{"service": 7}`:                     "field service: a number is not what is wanted",
		`{"service": "a", "selector": "{}"}`: "field service: the request has a selector, too",
		`{"selector": ""}`:                   "field selector: selector is empty",
		`{"selector": "{a=}"}`:               "field selector: ",
		`{"selector": "{a=~\"(\"}"}`:         "field selector: ",
		`{"selector": "cpu{}"}`:              "field selector: ",
		`{"from": "yesterday"}`:              `field from: "yesterday" is no time`,
		`{"from": 1.5}`:                      "field from: 1.5 is no time",
		`{"to": true}`:                       "field to: true is no time",
		`{"to": 99999999999999999999}`:       "field to: 99999999999999999999 is no time",
		`{"from": 2000, "to": 2000}`:         "field to: ",
		`{"from": 2000000000000, "to": 1}`:   "field to: ",
		`{"id": "x", "all": true}`:           `field id: "x" is no ULID`,
	} {
		res := ts.do(t, "POST", "/api/v1/admin/delete", body)
		require.Equal(t, 400, res.status, "%s: %s", body, res.body)
		require.Contains(t, messageOf(t, res.body), want, body)
	}
	require.Equal(t, 405, ts.do(t, "GET", "/api/v1/admin/delete", "").status)
	require.Equal(t, 400, ts.do(t, "POST", "/api/v1/admin/delete", `{"all": true}`, "X-Scope-OrgID", "a|b").status)
	a.err = warehouse.Errorf(warehouse.Limit, "too much")
	require.Equal(t, 429, ts.do(t, "POST", "/api/v1/admin/delete", `{"all": true}`).status)
	require.Equal(t, 503, start(t, nil).do(t, "POST", "/api/v1/admin/delete", `{"all": true}`).status)
}

func TestDeletions(t *testing.T) {
	t.Parallel()
	ts, _ := startAdmin(t)
	res := ts.do(t, "GET", "/api/v1/admin/deletions", "")
	require.Equal(t, 200, res.status)
	require.JSONEq(t, `{"deletions": [
		{"id": "00000000000000000000000000", "selector": "{}", "services": ["cart"], "from": "2026-01-02T10:00:00.000000Z", "to": "2026-01-02T10:00:00.000001Z",
			"reason": "operator", "submitted_at": "2026-01-02T10:00:00.000000Z", "state": "hidden", "parts_left": 3, "bytes_left": 9},
		{"id": "00000000000000000000000001", "selector": "{}", "services": ["cart"], "series": 2, "from": "2026-01-02T10:00:00.000000Z", "to": "2026-01-02T10:00:00.000001Z",
			"reason": "operator", "submitted_at": "2026-01-02T10:00:00.000000Z", "state": "done", "parts_left": 0, "bytes_left": 0,
			"applied_at": "2026-01-02T10:00:00.000001Z", "bytes_gone_at": "2026-01-02T10:00:00.000002Z"}]}`, res.body)
	res = ts.do(t, "GET", "/api/v1/admin/deletions?id=00000000000000000000000001", "")
	require.Equal(t, 200, res.status)
	require.NotContains(t, res.body, "hidden")
	require.Equal(t, 404, ts.do(t, "GET", "/api/v1/admin/deletions?id=x", "").status)
}

func TestRetention(t *testing.T) {
	t.Parallel()
	ts, a := startAdmin(t)
	for body, want := range map[string]RetentionRule{
		`{"keep": "7d"}`:                                        {Keep: 7 * day},
		`{"service": "cart", "keep": "36h"}`:                    {Service: "cart", Keep: 36 * time.Hour},
		`{"type": "` + cpuType + `", "keep": "0"}`:              {Type: cpuType},
		`{"service": "cart", "keep": "inherit"}`:                {Service: "cart", Keep: InheritRetention},
		`{"service":"a","type":"` + cpuType + `","keep":"90m"}`: {Service: "a", Type: cpuType, Keep: 90 * time.Minute},
	} {
		res := ts.do(t, "PUT", "/api/v1/admin/retention", body, "X-Scope-OrgID", "acme")
		require.Equal(t, 200, res.status, "%s: %s", body, res.body)
		require.Equal(t, []RetentionRule{want}, a.rules, body)
		require.Contains(t, res.body, `"default":"31d","tenant":"inherit"`)
		require.Contains(t, res.body, `"keep":"`+keepText(want.Keep)+`"`)
	}
	for body, want := range map[string]string{
		`{}`:                            "field keep is missing",
		`{"keep": "soon"}`:              `field keep: "soon" is no time`,
		`{"keep": "-1h"}`:               "field keep: ",
		`{"keep": "999999999d"}`:        "field keep: ",
		`{"keep": 7}`:                   "field keep: ",
		`{"service": "", "keep": "7d"}`: "field service: it is empty",
		`{"type": "cpu", "keep": "7d"}`: "field type: ",
		`{"tenant": "x", "keep": "7d"}`: `field "tenant" is not known`,
	} {
		res := ts.do(t, "PUT", "/api/v1/admin/retention", body)
		require.Equal(t, 400, res.status, "%s: %s", body, res.body)
		require.Contains(t, messageOf(t, res.body), want, body)
	}
	require.Equal(t, 200, ts.do(t, "GET", "/api/v1/admin/retention", "").status)
	require.Equal(t, 405, ts.do(t, "POST", "/api/v1/admin/retention", "{}").status)
}
