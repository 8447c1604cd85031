package pgwire

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stackhouse-db/stackhouse/sql/statement"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// The severities of errors and notices.
const (
	severityError   = "ERROR"
	severityFatal   = "FATAL"
	severityWarning = "WARNING"
)

// pgError is a failure as a PostgreSQL client sees it.
type pgError struct {
	severity string
	code     string // SQLSTATE
	message  string
	detail   string
	hint     string
	position int   // character of the query string, from 1; 0 when unknown
	cause    error // for the log; nil when the rest says it all
}

func (e *pgError) Error() string { return e.code + ": " + e.message }
func (e *pgError) Unwrap() error { return e.cause }

// errorf returns an error that ends a statement.
func errorf(code, format string, args ...any) *pgError {
	return &pgError{severity: severityError, code: code, message: fmt.Sprintf(format, args...)}
}

// fatalf returns an error that ends the session.
func fatalf(code, format string, args ...any) *pgError {
	return &pgError{severity: severityFatal, code: code, message: fmt.Sprintf(format, args...)}
}

func (e *pgError) withHint(format string, args ...any) *pgError {
	e.hint = fmt.Sprintf(format, args...)
	return e
}

func (e *pgError) withDetail(format string, args ...any) *pgError {
	e.detail = fmt.Sprintf(format, args...)
	return e
}

// at says where in text, a byte offset of it, the error is.
func (e *pgError) at(text string, offset int) *pgError {
	e.position = utf8.RuneCountInString(text[:offset]) + 1
	return e
}

// response is the error on the wire.
func (e *pgError) response() *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity:            e.severity,
		SeverityUnlocalized: e.severity,
		Code:                e.code,
		Message:             e.message,
		Detail:              e.detail,
		Hint:                e.hint,
		Position:            int32(e.position),
	}
}

// asPGError finds, or makes, what a client is told of err. It is nil for nil.
func asPGError(err error) *pgError {
	var own *pgError
	var stmt *statement.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own
	case errors.As(err, &stmt):
		return fromStatement(stmt)
	}
	return &pgError{severity: severityError, code: sqlState(warehouse.KindOf(err)), message: err.Error(), cause: err}
}

func fromStatement(e *statement.Error) *pgError {
	code := e.SQLState
	if len(code) != 5 {
		code = sqlState(e.Kind)
	}
	return &pgError{
		severity: severityError, code: code, message: e.Message,
		detail: e.Detail, hint: e.Hint, position: e.Position, cause: e.Cause,
	}
}

// shifted returns err with its position moved by that many characters: the
// statement is a part of a longer text.
func shifted(err error, by int) error {
	if err == nil || by == 0 {
		return err
	}
	e := *asPGError(err)
	if e.position > 0 {
		e.position = max(1, e.position+by)
	}
	return &e
}
