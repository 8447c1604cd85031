package api

import (
	"encoding/json"
	"net/http"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// The kinds of events of a scrub.
const (
	ScrubProgress = "progress" // how far it is
	ScrubDamage   = "damage"   // of one table of an object, or its description
	ScrubSummary  = "summary"  // the last one, when everything was read
	ScrubError    = "error"    // the last one, when that was not possible
)

// ScrubEvent is a line of the answer to POST /api/v1/admin/scrub.
type ScrubEvent struct {
	Event string `json:"event"`

	// Of damage.
	Object   string `json:"object,omitempty"`
	What     string `json:"what,omitempty"`
	Offset   int64  `json:"offset,omitempty"`
	Size     int64  `json:"size,omitempty"`
	Expected string `json:"expected,omitempty"`
	Found    string `json:"found,omitempty"`

	// Of progress and the summary. Bytes are those of sections while it goes on, and
	// those that were read at the end.
	Objects   int     `json:"objects,omitempty"`
	OfObjects int     `json:"of_objects,omitempty"`
	Bytes     int64   `json:"bytes,omitempty"`
	OfBytes   int64   `json:"of_bytes,omitempty"`
	Damaged   int     `json:"damaged,omitempty"` // objects
	Gone      int     `json:"gone,omitempty"`    // merged or deleted meanwhile
	Unread    int     `json:"unread,omitempty"`  // could not be read
	Seconds   float64 `json:"seconds,omitempty"`

	// Of an error, and of a summary with what could not be read.
	Error string `json:"error,omitempty"`
}

// Damage returns the damage that an event tells of.
func (e *ScrubEvent) Damage() *warehouse.Damage {
	return &warehouse.Damage{Object: e.Object, What: e.What, Offset: e.Offset, Size: e.Size, Expected: e.Expected, Found: e.Found}
}

// adminScrub verifies all that is stored, and answers with a line of JSON for each
// thing worth knowing while it does. It ends when its client goes away.
func (s *Server) adminScrub(x *exchange, r *http.Request) error {
	if s.scrub == nil {
		return unsupported("scrubbing is")
	}
	enc := json.NewEncoder(x)
	emit := func(e ScrubEvent) error {
		if x.status == 0 {
			x.Header().Set("Content-Type", "application/x-ndjson")
			x.Header().Set("Cache-Control", "no-store")
		}
		if err := enc.Encode(e); err != nil {
			return warehouse.Errorf(warehouse.Canceled, "answer: %w", err)
		}
		x.Flush()
		return nil
	}
	err := s.scrub(r.Context(), emit)
	if err == nil || x.status == 0 {
		return err
	}
	x.err = err
	return emit(ScrubEvent{Event: ScrubError, Error: err.Error()})
}
