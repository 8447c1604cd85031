package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

//go:embed page/page.css
var pageCSS string

//go:embed page/page.html
var pageHTML string

//go:embed page/notfound.html
var notFoundHTML string

// The pages, and the policy that lets them load nothing but their own style.
var (
	pageTemplate     = template.Must(template.New("page").Funcs(template.FuncMap{"quoted": quoted}).Parse(pageHTML))
	notFoundTemplate = template.Must(template.New("notfound").Parse(notFoundHTML))
	pagePolicy       = policyFor(pageCSS)
)

func policyFor(css string) string {
	sum := sha256.Sum256([]byte(css))
	return fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		base64.StdEncoding.EncodeToString(sum[:]))
}

// pageTimeout bounds what the page waits for; it is the first thing a newcomer
// sees, and must come also when storage does not answer.
const pageTimeout = 3 * time.Second

// page shows what is stored and how to send and ask for more.
func (s *Server) page(x *exchange, r *http.Request) error {
	tenant, err := tenantOf(r.Header)
	if err != nil {
		return err
	}
	x.tenant = tenant
	ctx, cancel := context.WithTimeout(r.Context(), pageTimeout)
	defer cancel()
	return render(x, http.StatusOK, pageTemplate, s.pageFor(ctx, tenant, r))
}

// notFound answers what no other route does: a page for browsers, else an error.
func (s *Server) notFound(x *exchange, r *http.Request) error {
	err := warehouse.Errorf(warehouse.NotFound, "there is nothing at %.200q", r.URL.Path)
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return err
	}
	x.err = err
	return render(x, http.StatusNotFound, notFoundTemplate, struct {
		CSS  template.CSS
		Path string
	}{template.CSS(pageCSS), clip(r.URL.Path, 200)})
}

// render writes a page whole or not at all.
func render(x *exchange, status int, t *template.Template, data any) error {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return warehouse.Errorf(warehouse.Internal, "render page: %w", err)
	}
	h := x.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	x.WriteHeader(status)
	_, _ = x.Write(b.Bytes())
	return nil
}

// pageData is what the page says.
type pageData struct {
	CSS       template.CSS
	Info      Info
	Retention string
	NotReady  string // why, or empty
	Tenant    warehouse.Tenant
	IsDefault bool // the tenant is the one of requests that name none
	URL       string
	Stored    *overview // nil if not known
	Problem   string    // why it is not known, or empty

	Example example // what the query on the page asks for
}

func (s *Server) pageFor(ctx context.Context, t warehouse.Tenant, r *http.Request) pageData {
	d := pageData{
		CSS: template.CSS(pageCSS), Info: s.info(), Tenant: t, IsDefault: t == warehouse.DefaultTenant,
		URL: baseURL(r),
	}
	d.Retention = retentionText(d.Info.Retention)
	if err := s.readiness(ctx); err != nil {
		d.NotReady = err.Error()
	}
	if s.index != nil {
		var err error
		if d.Stored, err = s.overview(ctx, t); err != nil {
			d.Problem = err.Error()
		}
	}
	d.Example = d.Stored.example(time.Now())
	return d
}

// quoted returns s in single quotes for a shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// baseURL returns the URL under which the browser reached the server, if it is
// fit to be pasted into a shell.
func baseURL(r *http.Request) string {
	host := r.Host
	for i := range len(host) {
		c := host[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(".-_:[]", c) >= 0) {
			host = ""
			break
		}
	}
	if host == "" {
		host = "localhost:4040"
	}
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		return "https://" + host
	}
	return "http://" + host
}
