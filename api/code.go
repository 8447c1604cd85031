package api

import (
	"errors"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

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

// retryAfter is the value of the Retry-After header, in seconds; of a full disk it is
// retryFull, since that takes an operator or a retention's time.
const (
	retryAfter = "1"
	retryFull  = 10 * time.Second
)

// fullReply is how a push is answered while a disk is full. HTTP has a status for it
// that Connect does not use; see exchange.failStatus.
var fullReply = reply{connect.CodeResourceExhausted, http.StatusInsufficientStorage, true}

func isDiskFull(err error) bool { return warehouse.ReasonOf(err) == warehouse.ReasonDiskFull }

// replyTo returns how err is answered.
func replyTo(err error) reply {
	if isDiskFull(err) {
		return fullReply
	}
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
	ce = connect.NewError(replyTo(err).code, err)
	if isDiskFull(err) {
		addDetail(ce, &errdetails.ErrorInfo{Reason: warehouse.ReasonDiskFull, Domain: "stackhouse"})
		addDetail(ce, &errdetails.RetryInfo{RetryDelay: durationpb.New(retryFull)})
	}
	return ce
}

// addDetail adds what a program can read of an error.
func addDetail(ce *connect.Error, m proto.Message) {
	if d, err := connect.NewErrorDetail(m); err == nil { // no such message cannot be encoded
		ce.AddDetail(d)
	}
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
