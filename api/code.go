package api

import (
	"errors"

	"connectrpc.com/connect"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// reply is how a kind of error leaves the process.
type reply struct {
	code   connect.Code
	status int  // of plain HTTP; equals the one that connect gives the code
	later  bool // the same request may succeed later: Retry-After is set
}

// replies gives each kind its reply. TestRepliesAreTotal fails when a kind has
// none or when status and code disagree.
var replies = [warehouse.NumKinds]reply{
	warehouse.Internal:    {connect.CodeInternal, 500, false},
	warehouse.Invalid:     {connect.CodeInvalidArgument, 400, false},
	warehouse.NotFound:    {connect.CodeNotFound, 404, false},
	warehouse.Exists:      {connect.CodeAlreadyExists, 409, false},
	warehouse.Denied:      {connect.CodePermissionDenied, 403, false},
	warehouse.Limit:       {connect.CodeResourceExhausted, 429, true},
	warehouse.OutOfRange:  {connect.CodeOutOfRange, 400, false},
	warehouse.Corrupt:     {connect.CodeDataLoss, 500, false},
	warehouse.Unavailable: {connect.CodeUnavailable, 503, true},
	warehouse.Canceled:    {connect.CodeCanceled, 499, false},
	warehouse.Deadline:    {connect.CodeDeadlineExceeded, 504, false},
}

// retryAfter is the value of the Retry-After header, in seconds.
const retryAfter = "1"

// replyTo returns how err is answered.
func replyTo(err error) reply {
	var ce *connect.Error
	var we *warehouse.Error
	if errors.As(err, &ce) && !errors.As(err, &we) {
		return reply{ce.Code(), statusOf(ce.Code()), false}
	}
	return replies[warehouse.KindOf(err)]
}

// connectError gives err its code. Connect errors keep theirs.
func connectError(err error) *connect.Error {
	var ce *connect.Error
	if errors.As(err, &ce) {
		return ce
	}
	return connect.NewError(replyTo(err).code, err)
}

// statusOf returns the HTTP status that stands for the code in the Connect
// protocol.
func statusOf(c connect.Code) int {
	for _, r := range replies {
		if r.code == c {
			return r.status
		}
	}
	switch c {
	case connect.CodeUnimplemented:
		return 501
	case connect.CodeUnauthenticated:
		return 401
	case connect.CodeFailedPrecondition:
		return 400
	case connect.CodeAborted:
		return 409
	}
	return 500
}

// unsupported is the honest answer to what the protocol has and this server not.
func unsupported(what string) error {
	return connect.NewError(connect.CodeUnimplemented, errors.New(what+" not supported yet"))
}
