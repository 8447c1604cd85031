package api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

// formOf writes a multipart form of name, value pairs.
func formOf(t testing.TB, fields ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		p, err := w.CreateFormFile(fields[i], fields[i]+".bin")
		require.NoError(t, err)
		_, err = p.Write([]byte(fields[i+1]))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.String(), w.FormDataContentType()
}

func gzipped(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(s))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func TestIngestForm(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	body, ct := formOf(t,
		"profile", "the pprof",
		"sample_type_config", `{"samples":{"units":"samples","display-name":"cpu","sampled":true},"gone":null}`,
		"something_else", "is skipped")
	for _, path := range []string{"/ingest", "/pyroscope/ingest"} {
		res := ts.do(t, "POST", path+"?name=app%7Benv%3Ddev%7D&from=1767225600000000000&until=1767225615000000000&spyName=gospy&sampleRate=100&units=samples&aggregationType=sum",
			body, "Content-Type", ct, tenantHeader, "team-a")
		require.Equal(t, http.StatusOK, res.status, res.body)
		require.Empty(t, res.body)
	}
	raws := ts.Pusher.pushed()
	require.Len(t, raws, 2)
	raw := raws[1]
	require.Equal(t, "the pprof", string(raw.Body))
	require.Equal(t, profile.SampleTypeConfig{Units: "samples", DisplayName: "cpu", Sampled: true}, raw.SampleTypes["samples"])
	require.ElementsMatch(t, warehouse.LabelsOf("__delta__", "false", "service_name", "app", "pyroscope_spy", "gospy", "env", "dev"), raw.Labels)
	require.Equal(t, int64(1767225600), raw.Time.Unix())
	require.Equal(t, 15*time.Second, raw.Duration)
	require.Empty(t, raw.ID)
	require.Equal(t, warehouse.Tenant("team-a"), ts.Pusher.tenant(1))
}

func TestIngestRaw(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	for _, tt := range []struct{ name, query, contentType, body, want string }{
		{"named", "&format=pprof", "application/octet-stream", "anything", "anything"},
		{"format in capitals", "&format=PPROF", "", "anything", "anything"},
		{"gzip, not named", "", "", gzipped(t, "x"), gzipped(t, "x")},
		{"plain, not named", "", "application/x-www-form-urlencoded", "\n\x04abcd", "\n\x04abcd"}, // curl's default type
	} {
		res := ts.do(t, "POST", "/ingest?name=app"+tt.query, tt.body, "Content-Type", tt.contentType)
		require.Equal(t, 200, res.status, "%s: %s", tt.name, res.body)
		raws := ts.Pusher.pushed()
		raw := raws[len(raws)-1]
		require.Equal(t, tt.want, string(raw.Body), tt.name)
		require.Equal(t, profile.DefaultSampleTypes(), raw.SampleTypes)
		require.True(t, raw.Time.IsZero())
		require.Zero(t, raw.Duration)
		require.Contains(t, raw.Labels, warehouse.Label{Name: "pyroscope_spy", Value: "unknown"})
	}
	// The body as a whole may be compressed as well.
	res := ts.do(t, "POST", "/ingest?name=app&format=pprof", gzipped(t, "inner"), "Content-Encoding", "gzip")
	require.Equal(t, 200, res.status)
	raws := ts.Pusher.pushed()
	require.Equal(t, "inner", string(raws[len(raws)-1].Body))
}

func TestIngestRefuses(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	ts.Pusher.reply = func(raw profile.Raw) warehouse.PushResult {
		switch string(raw.Body) {
		case "corrupt":
			return warehouse.PushResult{Err: malformed("decode profile: no")}
		case "old":
			return warehouse.PushResult{Err: warehouse.Refuse(warehouse.Invalid, warehouse.ReasonNotInWindow, "too old")}
		case "busy":
			return warehouse.PushResult{Err: warehouse.Errorf(warehouse.Unavailable, "no leader")}
		case "much":
			return warehouse.PushResult{Err: warehouse.Errorf(warehouse.Limit, "over quota")}
		}
		return warehouse.PushResult{}
	}
	good, ct := formOf(t, "profile", "ok")
	prev, prevCT := formOf(t, "profile", "ok", "prev_profile", "x")
	twice, twiceCT := formOf(t, "profile", "a", "profile", "b")
	other, otherCT := formOf(t, "jfr", "x")
	empty, emptyCT := formOf(t, "profile", "")
	config, configCT := formOf(t, "profile", "ok", "sample_type_config", "{")
	bigConfig, bigConfigCT := formOf(t, "profile", "ok", "sample_type_config", strings.Repeat(" ", 70<<10))
	many, manyCT := formOf(t, strings.Split(strings.Repeat("x,y,", 17), ",")[:34]...)
	manyTypes, manyTypesCT := formOf(t, "profile", "ok", "sample_type_config", manyTypes(300))

	tests := []struct {
		name, query, body, contentType string
		status                         int
		want                           string
	}{
		{"no name", "?x=y", good, ct, 400, "parameter name"},
		{"bad name", "?name=%7B", good, ct, 400, "parameter name"},
		{"bad from", "?name=a&from=yesterday", good, ct, 400, "parameter from"},
		{"bad until", "?name=a&until=-1", good, ct, 400, "parameter until"},
		{"bad query", "?name=a&x=%zz", good, ct, 400, "parameters"},
		{"jfr", "?name=a&format=jfr", good, ct, 415, "format jfr is not supported yet"},
		{"speedscope", "?name=a&format=speedscope", "{}", "application/json", 415, "format speedscope is not supported yet"},
		{"trie by content type", "?name=a", "x", "binary/octet-stream+trie", 415, "format trie is not supported yet"},
		{"folded without a format", "?name=a", "a;b 12\n", "", 415, "format groups is not supported yet"},
		{"unknown format", "?name=a&format=cake", good, ct, 400, `"cake" is unknown`},
		{"bad content type", "?name=a", good, "multipart/", 415, "content type"},
		{"no boundary", "?name=a", good, "multipart/form-data", 400, "boundary"},
		{"wrong boundary", "?name=a", good, "multipart/form-data; boundary=zzz", 400, "multipart form"},
		{"truncated form", "?name=a", good[:len(good)-20], ct, 400, "multipart form"},
		{"empty form", "?name=a", "", ct, 400, "multipart form"},
		{"no profile", "?name=a", other, otherCT, 400, "field profile is missing"},
		{"empty profile", "?name=a", empty, emptyCT, 400, "no profiles received"},
		{"empty body", "?name=a&format=pprof", "", "", 400, "no profiles received"},
		{"profile twice", "?name=a", twice, twiceCT, 400, "field profile is there twice"},
		{"old client", "?name=a", prev, prevCT, 422, "unsupported client version"},
		{"bad config", "?name=a", config, configCT, 422, "sample_type_config"},
		{"large config", "?name=a", bigConfig, bigConfigCT, 400, "sample_type_config"},
		{"config of many types", "?name=a", manyTypes, manyTypesCT, 422, "300 sample types"},
		{"many parts", "?name=a", many, manyCT, 400, "more than 16 parts"},
		{"corrupt pprof", "?name=a&format=pprof", "corrupt", "", 422, "decode profile: no"},
		{"too old", "?name=a&format=pprof", "old", "", 400, "too old"},
		{"unavailable", "?name=a&format=pprof", "busy", "", 503, "no leader"},
		{"over a limit", "?name=a&format=pprof", "much", "", 429, "over quota"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res := ts.do(t, "POST", "/ingest"+tt.query, tt.body, "Content-Type", tt.contentType)
			require.Equal(t, tt.status, res.status, res.body)
			require.Contains(t, strings.ReplaceAll(res.body, `\"`, `"`), tt.want)
			require.Equal(t, tt.status == 503 || tt.status == 429, res.header.Get("Retry-After") != "")
		})
	}
	require.Equal(t, 405, ts.do(t, "GET", "/ingest?name=a", "").status)
}

func manyTypes(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf(`"t%d":{}`, i))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// FuzzIngestForm: no form panics; an accepted one has a profile and a config.
func FuzzIngestForm(f *testing.F) {
	for _, fields := range [][]string{
		{"profile", "x"},
		{"profile", "x", "sample_type_config", `{"samples":{"units":"samples"}}`},
		{"profile", "x", "prev_profile", "y"},
		{"profile", "x", "sample_type_config", "null"},
	} {
		body, ct := formOf(f, fields...)
		f.Add([]byte(body), strings.TrimPrefix(ct, "multipart/form-data; boundary="))
	}
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=profile\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=41=\r\n\r\n--b--"), "b")
	f.Fuzz(func(t *testing.T, body []byte, boundary string) {
		raw, err := readForm(bytes.NewReader(body), boundary)
		if err != nil {
			require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
			return
		}
		require.NotEmpty(t, raw.Body)
		require.NotNil(t, raw.SampleTypes)
	})
}
