package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// fakeIndex is an index of parts; released counts what was given back.
type fakeIndex struct {
	parts    []*warehouse.Part
	err      error
	released *int

	deletions []*warehouse.Deletion
}

func (f fakeIndex) Snapshot(context.Context) (query.Snapshot, error) { return f, f.err }
func (f fakeIndex) Release()                                         { *f.released++ }

func (f fakeIndex) Parts(t warehouse.Tenant, r warehouse.TimeRange) []*warehouse.Part {
	var out []*warehouse.Part
	for _, p := range f.parts {
		if p.Tenant == t && p.Range.Overlaps(r) {
			out = append(out, p)
		}
	}
	return out
}

func (f fakeIndex) Deletions(warehouse.Tenant) []*warehouse.Deletion { return f.deletions }

func (f fakeIndex) Bounds(t warehouse.Tenant) warehouse.TimeRange {
	r := warehouse.EmptyRange
	for _, p := range f.parts {
		if p.Tenant == t {
			r = r.Union(p.Range)
		}
	}
	return r
}

const (
	cpuType   = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
	allocType = "memory:alloc_space:bytes:space:bytes"
)

// someIndex is two services of the default tenant and one of another's.
func someIndex(released *int) fakeIndex {
	at := func(s string) warehouse.Micros {
		tm, err := time.Parse(time.DateTime, s)
		if err != nil {
			panic(err)
		}
		return warehouse.MicrosOf(tm)
	}
	r := func(from, to string) warehouse.TimeRange { return warehouse.TimeRange{From: at(from), To: at(to)} }
	one, two := r("2026-01-02 10:00:00", "2026-01-02 10:59:30"), r("2026-01-02 11:00:00", "2026-01-02 11:20:00")
	part := func(t warehouse.Tenant, rng warehouse.TimeRange, size int64, ds ...warehouse.Dataset) *warehouse.Part {
		return &warehouse.Part{Tenant: t, Range: rng, Datasets: ds, Sections: []warehouse.Section{{Table: warehouse.TableSamples, Size: size, Rows: 1}}}
	}
	return fakeIndex{released: released, parts: []*warehouse.Part{
		part("anonymous", one, 3<<20,
			warehouse.Dataset{Service: "checkout", Profiles: 1200, Types: []warehouse.TypeStats{{Type: allocType, Range: one, Rows: 500}, {Type: "memory:inuse_space:bytes:space:bytes", Range: one, Rows: 1}, {Type: cpuType, Range: one, Rows: 900_000}}},
			warehouse.Dataset{Service: "stackhouse", Profiles: 34, Types: []warehouse.TypeStats{{Type: cpuType, Range: one, Rows: 77}}}),
		part("anonymous", two, 1<<20,
			warehouse.Dataset{Service: "checkout", Profiles: 34, Types: []warehouse.TypeStats{{Type: cpuType, Range: two, Rows: 100_000}}}),
		part("team-b", one, 1<<30, warehouse.Dataset{Service: "secret-service", Profiles: 7}),
	}}
}

func withIndex(ix query.Index) func(*Options) {
	return func(o *Options) {
		o.Index = ix
		o.Info = func() Info {
			return Info{Version: "v0.1.0", Revision: "abc123", Retention: 31 * day, DataDir: "./data",
				Addresses: []Address{{"HTTP", "127.0.0.1:4040"}, {"Postgres", "127.0.0.1:4042"}}}
		}
	}
}

// TestPage looks for what a newcomer needs.
func TestPage(t *testing.T) {
	t.Parallel()
	var released int
	ts := start(t, withIndex(someIndex(&released)))
	res := ts.do(t, "GET", "/", "", "Accept", "text/html")
	require.Equal(t, 200, res.status)
	require.Equal(t, "text/html; charset=utf-8", res.header.Get("Content-Type"))
	text := textOf(res.body)
	for _, want := range []string{
		"checkout memory alloc_space, inuse_space process_cpu cpu 1 234 1 000 501 2026-01-02 10:00:00 2026-01-02 11:20:00",
		"stackhouse process_cpu cpu 34 77 2026-01-02 10:00:00 2026-01-02 10:59:30",
		"Services 2", "Profiles 1 268", "Samples 1 000 578", "Stored 4.0 MiB", "Kept 31 days", "Tenant anonymous",
		"HTTP 127.0.0.1:4040", "Postgres 127.0.0.1:4042", "Data ./data", "Stackhouse v0.1.0 (abc123)",
		`curl -g --data-binary @cpu.pprof \ '` + ts.URL + `/ingest?format=pprof&name=my-service{env=dev}'`,
		`ServerAddress: "` + ts.URL + `"`,
		`curl '` + ts.URL + `/querier.v1.QuerierService/SelectMergeStacktraces'`,
		`"profile_typeID": "` + cpuType + `"`, `{service_name=\"checkout\"}`,
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, res.body, "secret-service")
	require.NotContains(t, text, "X-Scope-OrgID")
	require.NotContains(t, text, "not ready")
	require.Contains(t, res.body, `<a href="/status">`)
	require.Equal(t, 1, released)

	other := textOf(ts.do(t, "GET", "/", "", tenantHeader, "team-b").body)
	require.Contains(t, other, "secret-service")
	require.NotContains(t, other, "checkout")
	require.Contains(t, other, "-H 'X-Scope-OrgID: team-b'")
	require.Contains(t, other, `TenantID: "team-b"`)

	empty := textOf(ts.do(t, "GET", "/", "", tenantHeader, "it's-new").body)
	require.Contains(t, empty, "No profiles yet")
	require.Contains(t, empty, `-H 'X-Scope-OrgID: it'\''s-new'`)
}

// TestPageCommands runs the page's shell commands as a reader would.
func TestPageCommands(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s here", tool)
		}
	}
	var released int
	ts := start(t, withIndex(someIndex(&released)))
	for _, tenant := range []string{"anonymous", "it's-new"} {
		page := ts.do(t, "GET", "/", "", tenantHeader, tenant).body
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "cpu.pprof"), []byte("\x0aa pprof"), 0o600))
		var ran int
		for _, m := range regexp.MustCompile(`(?s)<pre><code>(curl .*?)</code></pre>`).FindAllStringSubmatch(page, -1) {
			cmd := exec.CommandContext(t.Context(), "sh", "-c", html.UnescapeString(m[1])+" -sS --fail-with-body --noproxy '*'")
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s\n%s", cmd.Args[2], out)
			ran++
		}
		require.Equal(t, 2, ran)
		raws := ts.Pusher.pushed()
		require.Equal(t, "\x0aa pprof", string(raws[len(raws)-1].Body))
		require.Contains(t, raws[len(raws)-1].Labels, warehouse.Label{Name: "env", Value: "dev"})
		require.Equal(t, warehouse.Tenant(tenant), ts.Pusher.tenant(len(raws)-1))

		sel := ts.Querier.last.sel
		require.Equal(t, warehouse.Tenant(tenant), sel.Tenant)
		require.Equal(t, cpuType, sel.Type.String())
		require.InDelta(t, 3600e6, int64(sel.Range.To-sel.Range.From), 2e6)
		if tenant == "anonymous" {
			last := time.Date(2026, 1, 2, 11, 20, 0, 0, time.UTC) // of the example's service
			require.True(t, sel.Range.Contains(warehouse.MicrosOf(last)))
		} else {
			require.InDelta(t, time.Now().UnixMicro(), int64(sel.Range.To), 60e6)
		}
	}
}

// textOf returns a page's text as a reader sees it.
func textOf(page string) string {
	page = page[strings.Index(page, "<body>"):]
	page = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, " ")
	for _, r := range [][2]string{{"&#39;", "'"}, {"&#34;", `"`}, {"&lt;", "<"}, {"&gt;", ">"}, {"&amp;", "&"}, {"\u2009", " "}} {
		page = strings.ReplaceAll(page, r[0], r[1])
	}
	return strings.Join(strings.Fields(page), " ")
}

// TestPageLoadsNothing: the policy allows the page's own style only, and the page
// has nothing else.
func TestPageLoadsNothing(t *testing.T) {
	t.Parallel()
	var released int
	ts := start(t, withIndex(someIndex(&released)))
	for path, status := range map[string]int{"/": 200, "/status": 200, "/nowhere": 404} {
		res := ts.do(t, "GET", path, "", "Accept", "text/html,application/xhtml+xml")
		require.Equal(t, status, res.status)
		csp := res.header.Get("Content-Security-Policy")
		require.True(t, strings.HasPrefix(csp, "default-src 'none';"), csp)
		style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindAllStringSubmatch(res.body, -1)
		require.Len(t, style, 1)
		sum := sha256.Sum256([]byte(style[0][1]))
		require.Contains(t, csp, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
		for _, no := range []string{"<script", "style=", "onclick", "@import", "url(", "src="} {
			require.NotContains(t, res.body, no)
		}
		for _, href := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(res.body, -1) {
			require.True(t, strings.HasPrefix(href[1], "/") || strings.HasPrefix(href[1], "data:image/svg+xml,"), href[1])
		}
		require.Equal(t, "nosniff", res.header.Get("X-Content-Type-Options"))
		require.Equal(t, "no-store", res.header.Get("Cache-Control"))
	}
}

// TestPageIsEscaped: names come from whoever may push. None becomes markup, and
// none gets into a command that is meant to be pasted.
func TestPageIsEscaped(t *testing.T) {
	t.Parallel()
	var released int
	ix := someIndex(&released)
	evil := `x'; touch /tmp/pwned; echo '<script>alert(1)</script>`
	ix.parts[0].Datasets = []warehouse.Dataset{{Service: evil, Types: []warehouse.TypeStats{{Type: `<u>:"'$(id)`, Rows: 1 << 40}, {Type: cpuType, Rows: 1 << 40}}}}
	ts := start(t, withIndex(ix))
	res := ts.do(t, "GET", "/", "")
	require.Equal(t, 200, res.status)
	require.NotContains(t, res.body, "<script>")
	require.NotContains(t, res.body, "<u>")
	commands := regexp.MustCompile(`(?s)<pre>.*?</pre>`).FindAllString(res.body, -1)
	require.NotEmpty(t, commands)
	for _, c := range commands {
		require.NotContains(t, c, "pwned")
	}
	require.Contains(t, textOf(res.body), `{service_name=\"checkout\"}`, "another service is the example")

	req, err := http.NewRequestWithContext(t.Context(), "GET", ts.URL+"/", nil)
	require.NoError(t, err)
	req.Host = "evil';id;'"
	require.Equal(t, "http://localhost:4040", baseURL(req))
	req.Host = "[::1]:4040"
	req.Header.Set("X-Forwarded-Proto", "https")
	require.Equal(t, "https://[::1]:4040", baseURL(req))
}

// TestPageWithoutAnswers: the page comes also when the process has problems.
func TestPageWithoutAnswers(t *testing.T) {
	t.Parallel()
	var released int
	ix := someIndex(&released)
	ix.err = warehouse.Errorf(warehouse.Unavailable, "snapshot: no leader")
	ts := start(t, func(o *Options) {
		o.Index = ix
		o.Ready = func(context.Context) error { return errors.New("replaying the log") }
	})
	res := ts.do(t, "GET", "/", "")
	require.Equal(t, 200, res.status)
	text := textOf(res.body)
	require.Contains(t, text, "Not ready: replaying the log")
	require.Contains(t, text, "snapshot: no leader")
	require.Contains(t, text, `{service_name=\"my-service\"}`)
	require.Zero(t, released)

	plain := start(t, nil)
	require.NotContains(t, textOf(plain.do(t, "GET", "/", "").body), "Profiles ")
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	res := ts.do(t, "GET", "/<x>", "", "Accept", "text/html")
	require.Equal(t, 404, res.status)
	require.Contains(t, res.body, "&lt;x&gt;")
	res = ts.do(t, "GET", "/nowhere", "")
	require.Equal(t, 404, res.status)
	require.Contains(t, res.body, `"code":"not_found"`)
	require.Equal(t, 405, ts.do(t, "DELETE", "/nowhere", "").status)
	require.Equal(t, 200, ts.do(t, "HEAD", "/", "").status)
	require.Equal(t, 405, ts.do(t, "POST", "/ready", "").status)
}

// TestExample: the question is about what was pushed last, if that is recent.
func TestExample(t *testing.T) {
	t.Parallel()
	var released int
	o := overviewOf(someIndex(&released).parts[:2], nil)
	last := o.Services[0].Range.To.Time()
	e := o.example(last.Add(59 * time.Minute))
	require.Equal(t, "checkout", e.Service)
	require.Equal(t, cpuType, e.Type)
	require.True(t, e.IsRecent)
	e = o.example(last.Add(61 * time.Minute))
	require.False(t, e.IsRecent)
	require.Equal(t, last.UnixMilli()+1, e.To)
	require.Equal(t, last.Add(-time.Hour).UnixMilli(), e.From)
	require.False(t, o.example(last.Add(-time.Minute)).IsRecent, "a clock that is ahead")

	var none *overview
	require.Equal(t, "my-service", none.example(last).Service)
	require.Equal(t, "my-service", overviewOf(nil, nil).example(last).Service)
}

func TestPageText(t *testing.T) {
	t.Parallel()
	require.Equal(t, "0", countText(0))
	require.Equal(t, "999", countText(999))
	require.Equal(t, "1\u2009000", countText(1000))
	require.Equal(t, "12\u2009345\u2009678", countText(12345678))
	require.Equal(t, "0 B", bytesText(0))
	require.Equal(t, "1023 B", bytesText(1023))
	require.Equal(t, "1.5 KiB", bytesText(1536))
	require.Equal(t, "2.0 PiB", bytesText(2<<50))
	require.Equal(t, "for ever", retentionText(0))
	require.Equal(t, "31 days", retentionText(31*day))
	require.Equal(t, "1h30m0s", retentionText(90*time.Minute))
}
