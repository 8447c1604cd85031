package api

import (
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

// ingest stores one profile as Pyroscope's SDKs send it: parameters in the URL,
// a pprof in a multipart form or as the whole body. SDKs take any answer but a
// plain 200 as a failure.
func (s *Server) ingest(x *exchange, r *http.Request) error {
	tenant, err := tenantOf(r.Header)
	if err != nil {
		return err
	}
	x.tenant = tenant
	p, err := ingestParamsOf(r.URL.RawQuery, time.Now())
	if err != nil {
		return err
	}
	raw, err := readProfile(x, r, p.format)
	if err != nil {
		return ingestFailure(x, err)
	}
	raw.Labels, raw.Time, raw.Duration = p.name.series(p.spy), p.from, p.duration
	results := s.pusher.Push(r.Context(), tenant, []profile.Raw{raw})
	if len(results) != 1 {
		return warehouse.Bug("push 1 profile: %d results", len(results))
	}
	s.pushed(x.Header(), results)
	if err := results[0].Err; err != nil {
		return ingestFailure(x, err)
	}
	x.WriteHeader(http.StatusOK)
	return nil
}

// ingestFailure gives content that cannot be parsed the status of its own that
// the reference has for it.
func ingestFailure(x *exchange, err error) error {
	if warehouse.ReasonOf(err) == warehouse.ReasonMalformedProfile {
		x.failStatus = http.StatusUnprocessableEntity
	}
	return err
}

// ingestParams are the parameters of /ingest that mean something for a pprof.
// sampleRate, units and aggregationType describe formats that do not say it
// themselves, and are ignored.
type ingestParams struct {
	name     appName
	spy      string
	format   string        // lower case; empty if the request does not say
	from     time.Time     // zero if not known
	duration time.Duration // of the profile, 0 if not known
}

func ingestParamsOf(query string, now time.Time) (ingestParams, error) {
	var p ingestParams
	q, err := url.ParseQuery(query)
	if err != nil {
		return p, warehouse.Errorf(warehouse.Invalid, "parameters: %w", err)
	}
	if p.name, err = parseAppName(q.Get("name")); err != nil {
		return p, err
	}
	if p.from, err = timeParam(q, "from", now); err != nil {
		return p, err
	}
	until, err := timeParam(q, "until", now)
	if err != nil {
		return p, err
	}
	if !p.from.IsZero() && until.After(p.from) {
		p.duration = until.Sub(p.from)
	}
	p.spy = q.Get("spyName")
	if p.spy == "" {
		p.spy = "unknown"
	}
	p.format = strings.ToLower(q.Get("format"))
	return p, nil
}

// timeParam returns the time a parameter names, or zero if it is absent.
func timeParam(q url.Values, name string, now time.Time) (time.Time, error) {
	text := q.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := parseTime(text, now)
	if err != nil {
		return t, warehouse.Errorf(warehouse.Invalid, "parameter %s: %w", name, err)
	}
	return t, nil
}

// readProfile reads the body in the format that parameter, content type and, at
// last, its first bytes say.
func readProfile(x *exchange, r *http.Request, format string) (profile.Raw, error) {
	mediaType, params, err := contentType(r.Header.Get("Content-Type"))
	if err != nil {
		x.failStatus = http.StatusUnsupportedMediaType
		return profile.Raw{}, err
	}
	if format == "" {
		format = formatOf(mediaType)
	}
	switch {
	case format != "" && format != "pprof":
		return profile.Raw{}, unknownFormat(x, format)
	case mediaType == "multipart/form-data":
		return readForm(r.Body, params["boundary"])
	}
	raw, err := readRaw(r)
	if err == nil && format == "" && !looksLikePprof(raw.Body) {
		return raw, unknownFormat(x, "groups")
	}
	return raw, err
}

// contentType parses the header; none is allowed.
func contentType(header string) (mediaType string, params map[string]string, err error) {
	if header == "" {
		return "", nil, nil
	}
	mediaType, params, err = mime.ParseMediaType(header)
	if err != nil {
		return "", nil, warehouse.Errorf(warehouse.Invalid, "content type %.100q: %w", header, err)
	}
	return mediaType, params, nil
}

// formatOf returns the format that old agents name in the content type.
func formatOf(mediaType string) string {
	if _, f, ok := strings.Cut(mediaType, "binary/octet-stream+"); ok {
		return f
	}
	return ""
}

// otherFormats are what the reference's /ingest takes besides pprof.
var otherFormats = []string{"jfr", "trie", "tree", "lines", "groups", "folded", "collapsed", "speedscope"}

func unknownFormat(x *exchange, format string) error {
	for _, f := range otherFormats {
		if f == format {
			x.failStatus = http.StatusUnsupportedMediaType
			return warehouse.Errorf(warehouse.Invalid, "format %s is not supported yet: send pprof", format)
		}
	}
	return warehouse.Errorf(warehouse.Invalid, "parameter format: %.64q is unknown: send pprof", format)
}

// looksLikePprof reports whether a body may be a pprof, gzip or plain, whose
// first field is nearly always its sample types.
func looksLikePprof(body []byte) bool {
	return len(body) == 0 || body[0] == 0x0a || len(body) > 1 && body[0] == 0x1f && body[1] == 0x8b
}
