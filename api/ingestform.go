package api

import (
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"

	"connectrpc.com/connect"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

// Bounds of a multipart form besides that of the whole body.
const (
	maxFormParts       = 16
	maxConfigBytes     = 64 << 10
	maxConfigEntries   = 256
	fieldProfile       = "profile"
	fieldPrevProfile   = "prev_profile"
	fieldSampleTypes   = "sample_type_config"
	oldClientComplaint = "unsupported client version: it sends prev_profile, update github.com/grafana/pyroscope-go"
)

// readRaw reads a body that is one pprof.
func readRaw(r *http.Request) (profile.Raw, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return profile.Raw{}, formError(err)
	}
	if len(body) == 0 {
		return profile.Raw{}, warehouse.Errorf(warehouse.Invalid, "no profiles received: the body is empty")
	}
	return profile.Raw{Body: body, SampleTypes: profile.DefaultSampleTypes()}, nil
}

// readForm reads a multipart form that holds a pprof and, optionally, what its
// sample types mean. Fields it does not know are skipped.
func readForm(body io.Reader, boundary string) (profile.Raw, error) {
	if boundary == "" {
		return profile.Raw{}, warehouse.Errorf(warehouse.Invalid, "multipart form: content type has no boundary")
	}
	f := form{seen: map[string]bool{}}
	mr := multipart.NewReader(body, boundary)
	for n := 0; ; n++ {
		part, err := mr.NextPart()
		switch {
		case errors.Is(err, io.EOF) && n > 0:
			return f.raw()
		case err != nil:
			return profile.Raw{}, formError(err)
		case n == maxFormParts:
			return profile.Raw{}, warehouse.Errorf(warehouse.Invalid, "multipart form: more than %d parts", maxFormParts)
		}
		if err := f.read(part); err != nil {
			return profile.Raw{}, err
		}
	}
}

// form is what has been read of a form.
type form struct {
	seen    map[string]bool
	profile []byte
	types   map[string]profile.SampleTypeConfig
}

func (f *form) read(part *multipart.Part) error {
	name := part.FormName()
	switch name {
	case fieldProfile, fieldSampleTypes, fieldPrevProfile:
	default:
		return nil
	}
	if f.seen[name] {
		return warehouse.Errorf(warehouse.Invalid, "multipart form: field %s is there twice", name)
	}
	f.seen[name] = true
	switch name {
	case fieldPrevProfile:
		return malformed(oldClientComplaint)
	case fieldProfile:
		data, err := io.ReadAll(part)
		if err != nil {
			return formError(err)
		}
		f.profile = data
		return nil
	}
	return f.readTypes(part)
}

func (f *form) readTypes(part *multipart.Part) error {
	data, err := io.ReadAll(io.LimitReader(part, maxConfigBytes+1))
	switch {
	case err != nil:
		return formError(err)
	case len(data) > maxConfigBytes:
		return warehouse.Errorf(warehouse.Invalid, "field %s is larger than %d bytes", fieldSampleTypes, maxConfigBytes)
	}
	if err := json.Unmarshal(data, &f.types); err != nil {
		return malformed("field %s: %w", fieldSampleTypes, err)
	}
	if len(f.types) > maxConfigEntries {
		return malformed("field %s has %d sample types, the limit is %d", fieldSampleTypes, len(f.types), maxConfigEntries)
	}
	return nil
}

func (f *form) raw() (profile.Raw, error) {
	if !f.seen[fieldProfile] {
		return profile.Raw{}, warehouse.Errorf(warehouse.Invalid, "multipart form: field %s is missing", fieldProfile)
	}
	if len(f.profile) == 0 {
		return profile.Raw{}, warehouse.Errorf(warehouse.Invalid, "no profiles received: field %s is empty", fieldProfile)
	}
	if f.types == nil {
		f.types = profile.DefaultSampleTypes()
	}
	return profile.Raw{Body: f.profile, SampleTypes: f.types}, nil
}

// formError keeps errors of the body's reader, which know their kind, and makes
// the rest the client's.
func formError(err error) error {
	if errors.As(err, new(*connect.Error)) {
		return err
	}
	return warehouse.Errorf(warehouse.Invalid, "multipart form: %w", err)
}

// malformed is what /ingest answers 422 to.
func malformed(format string, args ...any) error {
	return warehouse.Refuse(warehouse.Invalid, warehouse.ReasonMalformedProfile, format, args...)
}
