package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Admin deletes profiles and says how long they are kept.
type Admin interface {
	// Delete hides what the request picks from every later question, and has it
	// removed; a dry run only counts.
	Delete(ctx context.Context, t warehouse.Tenant, r DeleteRequest) (DeleteAnswer, error)
	// Deletions returns what is remembered of the tenant's deletions, oldest first.
	Deletions(ctx context.Context, t warehouse.Tenant) ([]DeletionStatus, error)
	// Retention returns what was set for the tenant.
	Retention(ctx context.Context, t warehouse.Tenant) (Retention, error)
	// SetRetention sets how long profiles are kept.
	SetRetention(ctx context.Context, t warehouse.Tenant, r RetentionRule) error
}

// DeleteRequest says what is to be deleted: profiles of series that match, by their
// own time.
type DeleteRequest struct {
	ID       warehouse.ObjectID // zero: a new one
	Selector string             // as it was written
	Matchers []warehouse.Matcher
	From, To warehouse.Micros // [From, To)
	DryRun   bool
}

// DeleteAnswer says what was deleted, or would be.
type DeleteAnswer struct {
	ID       warehouse.ObjectID // zero: there was nothing to delete, or it is a dry run
	Series   int
	Profiles int64
	Rows     int64 // samples
	Bytes    int64 // about
}

// DeletionStatus is how far a deletion is.
type DeletionStatus struct {
	*warehouse.Deletion
	State             string // hidden, removed or done
	Parts             int    // live parts that hold some of it
	Bytes             int64  // of these and of dead objects that did
	AppliedAt, GoneAt warehouse.Micros
}

// errNoAdmin is answered where the process has no Admin.
var errNoAdmin = warehouse.Errorf(warehouse.Unavailable, "this process does not administer profiles")

// optional is a field that may be missing, which is not its zero value.
type optional[T any] struct {
	value T
	isSet bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *optional[T]) UnmarshalJSON(data []byte) error {
	o.isSet = true
	return json.Unmarshal(data, &o.value)
}

// instant is a time in a request: RFC 3339 text, or milliseconds since 1970.
type instant struct {
	at    warehouse.Micros
	isSet bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (i *instant) UnmarshalJSON(data []byte) error {
	i.isSet = true
	text := string(data)
	if strings.HasPrefix(text, `"`) {
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil || t.Year() < 1 || t.Year() > 9999 {
			return fmt.Errorf("%.64q is no time: want RFC 3339, as in 2026-01-31T10:00:00Z, or milliseconds since 1970", s)
		}
		i.at = warehouse.MicrosOf(t)
		return nil
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms > math.MaxInt64/1000 || ms < math.MinInt64/1000 {
		return fmt.Errorf("%.64s is no time: want RFC 3339 in quotes, as in \"2026-01-31T10:00:00Z\", or whole milliseconds since 1970", text)
	}
	i.at = warehouse.Micros(ms * 1000)
	return nil
}

// readJSON reads a request's body, an object whose fields are all known. Errors name
// the field.
func readJSON(r *http.Request, fields map[string]any) error {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	var object map[string]json.RawMessage
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&object); err != nil || object == nil {
		return warehouse.Errorf(warehouse.Invalid, "body: want a JSON object: %w", orNothing(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return warehouse.Errorf(warehouse.Invalid, "body: there is something behind the JSON object")
	}
	for name, text := range object {
		into, ok := fields[name]
		if !ok {
			return warehouse.Errorf(warehouse.Invalid, "field %.64q is not known", name)
		}
		if string(text) == "null" {
			return warehouse.Errorf(warehouse.Invalid, "field %s: it is null: leave it out", name)
		}
		if err := json.Unmarshal(text, into); err != nil {
			return warehouse.Errorf(warehouse.Invalid, "field %s: %w", name, plainJSON(err))
		}
	}
	return nil
}

func orNothing(err error) error {
	if err == nil {
		return errors.New("it is null")
	}
	return err
}

// plainJSON says what was wanted without the words of Go.
func plainJSON(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err
	}
	return fmt.Errorf("a %s is not what is wanted here", wrong.Value)
}

// writeJSON answers with a value as JSON.
func writeJSON(x *exchange, v any) error {
	x.Header().Set("Content-Type", "application/json")
	x.Header().Set("Cache-Control", "no-store")
	e := json.NewEncoder(x)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// administer serves a function of the tenant that the headers name.
func (s *Server) administer(fn func(x *exchange, r *http.Request, t warehouse.Tenant) error) http.Handler {
	return s.endpoint(func(x *exchange, r *http.Request) error {
		t, err := tenantOf(r.Header)
		if err != nil {
			return err
		}
		x.tenant = t
		if s.admin == nil {
			return errNoAdmin
		}
		return fn(x, r, t)
	})
}
