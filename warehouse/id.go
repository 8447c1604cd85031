package warehouse

import (
	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"
)

// SeriesID is the content hash of a series (warehouse/profile draws the bytes),
// stored as a signed 64-bit integer because Postgres has no unsigned type. It
// does not include the tenant: every key that crosses tenants must add it.
type SeriesID int64

// StacktraceID is the content hash of a stacktrace; see [SeriesID].
type StacktraceID int64

// ProfileID names one received profile. All series into which a profile is
// split share it.
type ProfileID [16]byte

// String returns the UUID text form.
func (p ProfileID) String() string { return uuid.UUID(p).String() }

// ParseProfileID parses the text form of a UUID.
func ParseProfileID(s string) (ProfileID, error) {
	u, err := uuid.Parse(s)
	if err != nil {
		return ProfileID{}, Errorf(Invalid, "profile id %q is not a UUID", s)
	}
	return ProfileID(u), nil
}

// ProfileKey is a profile id in its scope.
type ProfileKey struct {
	Tenant Tenant
	ID     ProfileID
}

// ObjectID names a stored object, a segment or a block. Ids are ordered by
// creation time, which nothing may rely on for correctness.
type ObjectID = ulid.ULID

// SpanID is a span's 8 bytes as an integer in big-endian order; 0 is "none".
type SpanID uint64

// TraceID is a trace's 16 bytes; all zero is "none".
type TraceID [16]byte
