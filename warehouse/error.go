package warehouse

import (
	"context"
	"errors"
	"fmt"
)

// Kind is the class of an error: what a caller, a client or an operator can do
// about it. The zero Kind is Internal, so that an unclassified error is never
// mistaken for the user's fault.
type Kind uint8

// The kinds. Each edge (HTTP, Connect, SQLSTATE) maps all of them.
const (
	Internal    Kind = iota // a bug or an unknown failure
	Invalid                 // the request is wrong; do not retry
	NotFound                // no such tenant, object or series
	Exists                  // it is there already
	Denied                  // not allowed
	Limit                   // over a limit; ask for less, or later
	OutOfRange              // the exact answer does not fit its type
	Corrupt                 // stored bytes contradict the format
	Unavailable             // try again: no leader, bucket down, memory budget used up
	Canceled                // the caller went away
	Deadline                // the time allowed has passed
	NumKinds                // the number of kinds, for tests that want all of them
)

var kindNames = [NumKinds]string{
	"internal", "invalid", "not found", "exists", "denied", "limit", "out of range",
	"corrupt", "unavailable", "canceled", "deadline",
}

// String returns the kind's lower-case name.
func (k Kind) String() string {
	if k < NumKinds {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Error is a failure with its kind. Text is "verb object id", lower case.
type Error struct {
	Kind   Kind
	Text   string
	Reason string // why a profile was refused, for metrics: one of the Reason constants, or empty
	cause  error  // already part of Text; may be nil
}

// Error returns the text, which includes that of the cause.
func (e *Error) Error() string { return e.Text }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// ReasonOf returns the reason of the outermost Error in err's chain that has one.
func ReasonOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Reason != "" {
			return e.Reason
		}
		err = e.cause
	}
	return ""
}

// Errorf returns an *Error of the kind. As in fmt.Errorf, one %w names its cause.
func Errorf(k Kind, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: k, Text: err.Error(), cause: errors.Unwrap(err)}
}

// Refuse is Errorf with the reason under which metrics count the refusal.
func Refuse(k Kind, reason, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: k, Text: err.Error(), Reason: reason, cause: errors.Unwrap(err)}
}

// KindOf returns the kind of the outermost Error in err's chain. Context errors
// without one are Canceled or Deadline; anything else is Internal.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return Deadline
	}
	return Internal
}

// Bug is the value to panic with when an invariant of our own is broken. It is
// never the answer to bad input.
func Bug(format string, args ...any) error {
	return &Error{Kind: Internal, Text: "bug: " + fmt.Sprintf(format, args...)}
}
