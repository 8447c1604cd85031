package api

import (
	"net/http"

	"github.com/oklog/ulid/v2"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// deleteBody is the answer to POST /api/v1/admin/delete.
type deleteBody struct {
	ID       string `json:"id,omitempty"` // none: nothing was deleted
	DryRun   bool   `json:"dry_run"`
	Selector string `json:"selector"`
	From     string `json:"from"`
	To       string `json:"to"`
	Series   int    `json:"series"`
	Profiles int64  `json:"profiles"`
	Rows     int64  `json:"rows"`
	Bytes    int64  `json:"bytes"`
}

// delete deletes profiles, or counts what would go.
func (s *Server) delete(x *exchange, r *http.Request, t warehouse.Tenant) error {
	req, err := readDelete(r)
	if err != nil {
		return err
	}
	a, err := s.admin.Delete(r.Context(), t, req)
	if err != nil {
		return err
	}
	body := deleteBody{
		DryRun: req.DryRun, Selector: req.Selector, From: req.From.String(), To: req.To.String(),
		Series: a.Series, Profiles: a.Profiles, Rows: a.Rows, Bytes: a.Bytes,
	}
	if a.ID != (warehouse.ObjectID{}) {
		body.ID = a.ID.String()
	}
	return writeJSON(x, body)
}

// readDelete reads and checks what is to be deleted.
func readDelete(r *http.Request) (out DeleteRequest, err error) {
	var id, selector, service optional[string]
	var from, to instant
	var all bool
	err = readJSON(r, map[string]any{
		"id": &id, "selector": &selector, "service": &service, "from": &from, "to": &to, "all": &all, "dry_run": &out.DryRun,
	})
	if err != nil {
		return out, err
	}
	if id.isSet {
		if out.ID, err = ulid.ParseStrict(id.value); err != nil || out.ID == (warehouse.ObjectID{}) {
			return out, warehouse.Errorf(warehouse.Invalid, "field id: %.64q is no ULID", id.value)
		}
	}
	switch {
	case selector.isSet && service.isSet:
		return out, warehouse.Errorf(warehouse.Invalid, "field service: the request has a selector, too: use one of them")
	case service.isSet && service.value == "":
		return out, warehouse.Errorf(warehouse.Invalid, "field service: it is empty")
	case service.isSet:
		m, _ := warehouse.NewMatcher(warehouse.LabelService, warehouse.MatchEqual, service.value) // of no expression
		out.Matchers, out.Selector = []warehouse.Matcher{m}, "{"+m.String()+"}"
	case selector.isSet:
		if out.Matchers, err = deleteMatchers(selector.value); err != nil {
			return out, err
		}
		out.Selector = selector.value
	}
	if out.From, out.To = warehouse.MinTime, warehouse.MaxTime+1; from.isSet {
		out.From = max(out.From, from.at)
	}
	if to.isSet {
		out.To = min(out.To, to.at)
	}
	switch {
	case out.From >= out.To:
		return out, warehouse.Errorf(warehouse.Invalid, "field to: %s is not behind from, %s", out.To, out.From)
	case !all && len(out.Matchers) == 0 && !from.isSet && !to.isSet:
		return out, warehouse.Errorf(warehouse.Invalid, "field all: this would delete all of the tenant's profiles: say so with \"all\": true, or restrict it by selector, service, from or to")
	}
	return out, nil
}

// deleteMatchers parses a selector, whose profile type counts as a matcher.
func deleteMatchers(text string) ([]warehouse.Matcher, error) {
	sel, err := warehouse.ParseSelector(text)
	if err != nil {
		return nil, warehouse.Errorf(warehouse.Invalid, "field selector: %w", err)
	}
	if sel.Type == "" {
		return sel.Matchers, nil
	}
	typ, err := warehouse.ParseProfileType(sel.Type)
	if err != nil {
		return nil, warehouse.Errorf(warehouse.Invalid, "field selector: %w", err)
	}
	m, err := warehouse.NewMatcher(warehouse.LabelProfileType, warehouse.MatchEqual, typ.String())
	return append(sel.Matchers, m), err
}

// deletionBody is one of GET /api/v1/admin/deletions.
type deletionBody struct {
	ID          string   `json:"id"`
	Selector    string   `json:"selector"`
	Services    []string `json:"services,omitempty"` // none: all
	Types       []string `json:"types,omitempty"`    // none: all
	Series      int      `json:"series,omitempty"`   // none: all of the services and types
	From        string   `json:"from"`
	To          string   `json:"to"`
	Reason      string   `json:"reason"`
	SubmittedAt string   `json:"submitted_at"`
	State       string   `json:"state"`
	PartsLeft   int      `json:"parts_left"`
	BytesLeft   int64    `json:"bytes_left"`
	AppliedAt   string   `json:"applied_at,omitempty"`
	BytesGoneAt string   `json:"bytes_gone_at,omitempty"`
}

// deletions lists the tenant's deletions, or the one that parameter id names.
func (s *Server) deletions(x *exchange, r *http.Request, t warehouse.Tenant) error {
	all, err := s.admin.Deletions(r.Context(), t)
	if err != nil {
		return err
	}
	only := r.URL.Query().Get("id")
	out := []deletionBody{}
	for i := range all {
		if only == "" || all[i].ID.String() == only {
			out = append(out, bodyOf(&all[i]))
		}
	}
	if only != "" && len(out) == 0 {
		return warehouse.Errorf(warehouse.NotFound, "parameter id: no deletion %.64q is known", only)
	}
	return writeJSON(x, struct {
		Deletions []deletionBody `json:"deletions"`
	}{out})
}

func bodyOf(d *DeletionStatus) deletionBody {
	b := deletionBody{
		ID: d.ID.String(), Selector: d.Selector, Services: d.Services, Types: d.Types, Series: len(d.Series),
		From: d.From.String(), To: d.To.String(), Reason: d.Reason.String(), SubmittedAt: d.SubmittedAt.String(),
		State: d.State, PartsLeft: d.Parts, BytesLeft: d.Bytes,
	}
	if d.AppliedAt != 0 {
		b.AppliedAt = d.AppliedAt.String()
	}
	if d.GoneAt != 0 {
		b.BytesGoneAt = d.GoneAt.String()
	}
	return b
}
