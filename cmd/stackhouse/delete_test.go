package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"connectrpc.com/connect"
	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/sql/sqltest"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// fourServices are what TestDeleteAService pushes for; each has functions of its own.
var fourServices = []string{"cart", "checkout", "payments", "search"}

// pushRound pushes a profile of each service and pod, at a second of the hour.
func pushRound(ctx context.Context, o *opened, tenant string, typ warehouse.ProfileType, second int64, services ...string) error {
	s := &sequence{tenant: tenant}
	var request []pushed
	for _, service := range services {
		for _, pod := range []string{"a", "b"} {
			request = append(request, pushed{id: uuid.NewString(), profile: sqltest.Profile{
				Second: second, Type: typ, Labels: map[string]string{warehouse.LabelService: service, "pod": pod},
				Samples: []sqltest.Sample{
					{Stack: []string{"main", "serve", service + ".handle"}, Value: second + 1},
					{Stack: []string{"main", fmt.Sprintf("%s.worker%d", service, second%7)}, Value: 3},
				},
			}})
		}
	}
	return s.send(ctx, o.url, request)
}

// totals are the answers of the profiling API about the services, as text.
func apiTotals(t *testing.T, o *opened, typ, service string) string {
	t.Helper()
	client := querierv1connect.NewQuerierServiceClient(http.DefaultClient, o.url)
	res, err := client.SelectMergeStacktraces(t.Context(), connect.NewRequest(&querierv1.SelectMergeStacktracesRequest{
		ProfileTypeID: typ, LabelSelector: fmt.Sprintf("{service_name=%q}", service), Start: sqltest.At(-1).UnixMilli(), End: sqltest.At(7200).UnixMilli(),
	}))
	require.NoError(t, err)
	return fmt.Sprint(res.Msg.Flamegraph.GetTotal(), " ", res.Msg.Flamegraph.GetNames())
}

// TestDeleteAService deletes one of four services while profiles are pushed and merged:
// it is gone at once from every kind of answer, the others' stay exact, and soon no
// object holds a name that only it has; nor after a restart.
func TestDeleteAService(t *testing.T) {
	t.Parallel()
	policy := metastore.DefaultPolicy()
	policy.MinSegments, policy.MaxSegments, policy.Age, policy.Quiet = 2, 6, 0, 200*time.Millisecond
	dir := filepath.Join(t.TempDir(), "data")
	o := runNode(t, dir, policy)
	typ, err := warehouse.ParseProfileType(cpuType)
	require.NoError(t, err)

	const before, during = 40, 40
	for i := range int64(before) {
		require.NoError(t, pushRound(t.Context(), o, "anonymous", typ, i, fourServices...))
	}
	for _, service := range fourServices {
		require.Contains(t, apiTotals(t, o, cpuType, service), service+".handle")
	}
	var wg sync.WaitGroup
	var pushErr error
	wg.Go(func() { // the three others go on
		for i := range int64(during) {
			if pushErr = pushRound(t.Context(), o, "anonymous", typ, before+i, "cart", "checkout", "search"); pushErr != nil {
				return
			}
		}
	})
	a, err := postDelete(t.Context(), o.url, "anonymous", map[string]any{"service": "payments"})
	require.NoError(t, err)
	require.EqualValues(t, deleted{ID: a.ID, Selector: `{service_name="payments"}`, From: a.From, To: a.To, Series: 2, Profiles: 2 * before, Rows: 4 * before, Bytes: a.Bytes}, a)
	requireGone(t, o, "payments")
	wg.Wait()
	require.NoError(t, pushErr)
	requireGone(t, o, "payments")
	requireOthers(t, o, before+during)

	require.Eventually(t, func() bool {
		return slices.Equal(o.ask(t, "anonymous", "select state from system.deletions"), []string{"done"})
	}, time.Minute, 20*time.Millisecond)
	require.Equal(t, []string{"operator|0|0|t|t"}, o.ask(t, "anonymous", "select reason, parts_left, bytes_left, applied_at >= submitted, bytes_gone_at >= applied_at from system.deletions"))
	requireNotStored(t, filepath.Join(dir, bucketDir), "payments")
	requireGone(t, o, "payments")
	requireOthers(t, o, before+during)

	require.NoError(t, o.statements.Close())
	o.stop()
	requireNotStored(t, filepath.Join(dir, bucketDir), "payments")
	o = runNode(t, dir, policy)
	requireGone(t, o, "payments")
	requireOthers(t, o, before+during)
	require.Equal(t, []string{"done"}, o.ask(t, "anonymous", "select state from system.deletions"))

	// What is pushed from now on stays.
	require.NoError(t, pushRound(t.Context(), o, "anonymous", typ, 5, "payments"))
	require.Contains(t, apiTotals(t, o, cpuType, "payments"), "payments.handle")
	require.Equal(t, []string{"2"}, o.ask(t, "anonymous", "select count(*) from profiles where service_name = 'payments'"))
}

// requireGone looks for a service in every kind of answer.
func requireGone(t *testing.T, o *opened, service string) {
	t.Helper()
	require.Equal(t, "0 []", strings.ReplaceAll(apiTotals(t, o, cpuType, service), "[total]", "[]"))
	api := profilingAPI{querierv1connect.NewQuerierServiceClient(http.DefaultClient, o.url, asTenant("anonymous"))}
	for _, verb := range []string{"label-values service_name", "label-values pod"} {
		got, _, err := api.Ask(t.Context(), &sqltest.Question{Kind: sqltest.API, Text: verb})
		require.NoError(t, err)
		require.NotContains(t, got.String(), service)
	}
	for _, relation := range []string{"samples", "profiles", "series", "labeled_samples", "labeled_profiles"} {
		require.Equal(t, []string{"0"}, o.ask(t, "anonymous", "select count(*) from "+relation+" where service_name = '"+service+"'"), relation)
	}
	require.Equal(t, []string{"0"}, o.ask(t, "anonymous", "select count(*) from stacktraces where list_any_value(list_filter(functions, f -> f like '"+service+".%')) is not null"))
	require.Empty(t, o.ask(t, "anonymous", fmt.Sprintf("select function from flamegraph('%s', '%s', '%s') where function like '%s.%%'", cpuType,
		sqltest.At(-1).Format(time.RFC3339), sqltest.At(7200).Format(time.RFC3339), service)))
	require.NotContains(t, o.page(t, "/"), service)
}

// page returns a page for people.
func (o *opened) page(t *testing.T, path string) string {
	t.Helper()
	res, err := http.Get(o.url + path) //nolint:noctx // a test
	require.NoError(t, err)
	defer res.Body.Close()
	var b strings.Builder
	_, err = fmt.Fprint(&b, res.Status)
	require.NoError(t, err)
	data := make([]byte, 1<<20)
	n, _ := res.Body.Read(data)
	b.Write(data[:n])
	return b.String()
}

// requireOthers compares the answers about the services that stay with plain addition.
func requireOthers(t *testing.T, o *opened, rounds int64) {
	t.Helper()
	want := 2 * (rounds*(rounds+1)/2 + 3*rounds)
	for _, service := range []string{"cart", "checkout", "search"} {
		require.Contains(t, apiTotals(t, o, cpuType, service), fmt.Sprint(want, " "))
		require.Equal(t, []string{fmt.Sprintf("%d|%d", want, 4*rounds)},
			o.ask(t, "anonymous", "select sum(value), count(*) from samples join stacktraces using (stacktrace_id) where service_name = '"+service+"'"))
	}
}

// requireNotStored looks for a service's names in every table of every object.
func requireNotStored(t *testing.T, dir, service string) {
	t.Helper()
	tables := 0
	eachStoredTable(t, dir, func(p *warehouse.Part, table warehouse.Table, data []byte) {
		tables++
		require.Nil(t, p.Dataset(service), "object %s", p.Object)
		var found string
		switch table {
		case warehouse.TableStacktraces:
			require.NoError(t, block.ReadStacktraces(data, func(s warehouse.Stacktrace) error {
				for _, f := range s.Frames {
					if strings.HasPrefix(f.Function, service+".") {
						found = f.Function
					}
				}
				return nil
			}))
		case warehouse.TableSeries:
			require.NoError(t, block.ReadSeries(data, func(s warehouse.Series) error {
				if s.Service() == service {
					found = s.Labels.String()
				}
				return nil
			}))
		case warehouse.TableProfiles:
			require.NoError(t, block.ReadProfiles(data, func(r block.ProfileRow) error {
				if r.Service == service {
					found = r.ID.String()
				}
				return nil
			}))
		}
		require.Empty(t, found, "%s of object %s", table, p.Object)
	})
	require.Positive(t, tables)
}

// TestRetentionOfAService: a rule about a service lets its old hours go, and refuses
// what is as old; those of others stay.
func TestRetentionOfAService(t *testing.T) {
	t.Parallel()
	never, _ := policies()
	o := runNode(t, filepath.Join(t.TempDir(), "data"), never)
	typ, err := warehouse.ParseProfileType(cpuType)
	require.NoError(t, err)
	require.NoError(t, pushRound(t.Context(), o, "acme", typ, 0, "cart", "search"))
	status, body := o.admin(t, "PUT", "/api/v1/admin/retention", "acme", `{"service": "cart", "keep": "2h"}`)
	require.Equal(t, 200, status, body)
	require.JSONEq(t, `{"default": "0", "tenant": "inherit", "rules": [{"service": "cart", "keep": "2h0m0s"}]}`, body)
	err = pushRound(t.Context(), o, "acme", typ, 1, "cart")
	require.ErrorContains(t, err, "its time 2026-03-01T10:00:01.000000Z is before 20")
	require.ErrorContains(t, err, `from when on profiles of service "cart" are kept`)
	require.NoError(t, pushRound(t.Context(), o, "acme", typ, 1, "search"))

	snap, err := o.meta.Snapshot(t.Context())
	require.NoError(t, err)
	defer snap.Release()
	require.Equal(t, 2*time.Hour, snap.RetentionOf("acme", "cart", cpuType))
	status, body = o.admin(t, "PUT", "/api/v1/admin/retention", "acme", `{"service": "cart", "keep": "inherit"}`)
	require.Equal(t, 200, status, body)
	require.NoError(t, pushRound(t.Context(), o, "acme", typ, 2, "cart"))
	status, body = o.admin(t, "PUT", "/api/v1/admin/retention", "acme", `{"keep": "-1h"}`)
	require.Equal(t, 400, status)
	require.Contains(t, body, "field keep")
}

// admin sends a request to an endpoint of administration.
func (o *opened) admin(t *testing.T, method, path, tenant, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, o.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("X-Scope-OrgID", tenant)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	var raw json.RawMessage
	require.NoError(t, json.NewDecoder(res.Body).Decode(&raw))
	return res.StatusCode, string(raw)
}

// TestDeleteCommand runs the commands against a server.
func TestDeleteCommand(t *testing.T) {
	t.Parallel()
	policy := metastore.DefaultPolicy()
	o := runNode(t, filepath.Join(t.TempDir(), "data"), policy)
	typ, err := warehouse.ParseProfileType(cpuType)
	require.NoError(t, err)
	for i := range int64(3) {
		require.NoError(t, pushRound(t.Context(), o, "acme", typ, i, fourServices...))
	}
	command := func(args ...string) (status int, out, errs string) {
		var stdout, stderr strings.Builder
		status = run(t.Context(), append(args, "--addr", o.url, "--tenant", "acme"), &stdout, &stderr)
		return status, stdout.String(), stderr.String()
	}
	status, _, errs := command("delete")
	require.Equal(t, exitError, status)
	require.Contains(t, errs, `field all: this would delete all of the tenant's profiles`)
	status, _, errs = command("delete", "--selector", "{service_name=}")
	require.Equal(t, exitError, status)
	require.Contains(t, errs, "field selector")
	status, _, errs = command("delete", "--from", "yesterday")
	require.Equal(t, exitError, status)
	require.Contains(t, errs, `field from: "yesterday" is no time`)
	status, out, errs := command("delete", "--selector", `{service_name="cart"}`, "--dry-run")
	require.Equal(t, exitOK, status, errs)
	require.Contains(t, out, "would delete 6 profiles of 2 series, 12 samples")
	status, out, errs = command("delete", "--selector", `{service_name="cart"}`, "--from", sqltest.At(0).Format(time.RFC3339), "--to", fmt.Sprint(sqltest.At(2).UnixMilli()), "--wait")
	require.Equal(t, exitOK, status, errs)
	require.Contains(t, out, "deleted 4 profiles of 2 series, 8 samples")
	require.Contains(t, out, "done: the bytes are gone since 20")
	require.Equal(t, []string{"2"}, o.ask(t, "acme", "select count(*) from profiles where service_name = 'cart'"))
	status, out, _ = command("delete", "--selector", `{service_name="nobody"}`)
	require.Equal(t, exitOK, status)
	require.Contains(t, out, "nothing to delete")
	status, out, errs = command("delete", "--all", "--wait")
	require.Equal(t, exitOK, status, errs)
	require.Contains(t, out, "deleted 20 profiles of 8 series")
	require.Equal(t, []string{"0"}, o.ask(t, "acme", "select count(*) from profiles"))

	status, out, errs = command("retention", "set", "7d", "--service", "cart")
	require.Equal(t, exitOK, status, errs)
	require.Contains(t, out, "cart       any        7d")
	require.Contains(t, out, "any other  any other  for ever, as all tenants")
	status, out, _ = command("retention", "set", "0", "--type", cpuType)
	require.Equal(t, exitOK, status)
	require.Contains(t, out, "for ever")
	status, out, _ = command("retention", "rm", "--service", "cart")
	require.Equal(t, exitOK, status)
	require.NotContains(t, out, "cart")
	status, out, _ = command("retention", "get")
	require.Equal(t, exitOK, status)
	require.Contains(t, out, cpuType)
	status, _, errs = command("retention", "set", "soon")
	require.Equal(t, exitError, status)
	require.Contains(t, errs, "field keep")
}
