package statement

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stackhouse-db/stackhouse/sql/confined"
	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// SQLSTATEs of this package, by PostgreSQL's names.
const (
	stateNotSupported        = "0A000"
	stateDataException       = "22000"
	stateNumericOutOfRange   = "22003"
	stateInvalidDatetime     = "22007"
	stateDatetimeOverflow    = "22008"
	stateDivisionByZero      = "22012"
	stateInvalidEncoding     = "22021"
	stateInvalidParameter    = "22023"
	stateInvalidText         = "22P02"
	stateReadOnly            = "25006"
	stateNotAllowed          = "42501"
	stateSyntaxError         = "42601"
	stateAmbiguousColumn     = "42702"
	stateUndefinedColumn     = "42703"
	stateUndefinedObject     = "42704"
	stateGrouping            = "42803"
	stateMismatch            = "42804"
	stateUndefinedFunction   = "42883"
	stateUndefinedTable      = "42P01"
	stateUndefinedParameter  = "42P02"
	stateInvalidReference    = "42P10"
	stateIndeterminateType   = "42P18"
	stateUndefinedSchema     = "3F000"
	stateOutOfMemory         = "53200"
	stateDiskFull            = "53100"
	stateProgramLimit        = "54000"
	stateTooComplex          = "54001"
	stateQueryCanceled       = "57014"
	stateCannotConnectNow    = "57P03"
	stateSnapshotTooOld      = "72000"
	stateInternal            = "XX000"
	stateDataCorrupted       = "XX001"
	stateInsufficientService = "53000"
)

// located is an error that knows its place as a byte of some text.
type located struct {
	err    *Error
	offset int // -1: none
}

func (l *located) Error() string { return l.err.Error() }
func (l *located) Unwrap() error { return l.err }

// errorf returns an error of the client's fault without a place.
func errorf(state, format string, args ...any) *located {
	kind := warehouse.Invalid
	switch state {
	case stateNotAllowed, stateReadOnly:
		kind = warehouse.Denied
	case stateTooComplex, stateProgramLimit:
		kind = warehouse.Limit
	}
	return &located{err: &Error{Kind: kind, SQLState: state, Message: fmt.Sprintf(format, args...)}, offset: -1}
}

func (l *located) at(offset int) *located {
	l.offset = offset
	return l
}

func (l *located) withHint(hint string) *located {
	l.err.Hint = hint
	return l
}

// asError makes any error an *Error. The offset of one that knows its place goes
// through original, to a byte of text.
func asError(err error, text string, original func(int) int) *Error {
	var done *Error
	var l *located
	var f *engine.Fault
	var killed *confined.Killed
	switch {
	case errors.As(err, &l):
		if l.offset >= 0 {
			l.err.Position = character(text, original(l.offset))
		}
		return l.err
	case errors.As(err, &done):
		return done
	case errors.As(err, &killed):
		return killedError(killed)
	case errors.As(err, &f):
		e := faultError(f)
		if f.Offset >= 0 {
			e.Position = character(text, original(f.Offset))
		}
		return e
	}
	return kindError(err)
}

// nowhere is for errors about a text that the client has not sent.
func nowhere(int) int { return -1 }

// kindError gives an error of another part of the server its SQLSTATE.
func kindError(err error) *Error {
	e := &Error{Kind: warehouse.KindOf(err), Message: err.Error(), Cause: err}
	switch e.Kind {
	case warehouse.Canceled:
		e.SQLState, e.Message = stateQueryCanceled, "canceling statement due to user request"
	case warehouse.Deadline:
		e.SQLState, e.Message = stateQueryCanceled, "canceling statement due to statement timeout"
	case warehouse.Invalid:
		e.SQLState = stateInvalidParameter
	case warehouse.NotFound:
		e.SQLState = stateUndefinedObject
	case warehouse.Denied:
		e.SQLState = stateNotAllowed
	case warehouse.Limit:
		e.SQLState = stateProgramLimit
	case warehouse.OutOfRange:
		e.SQLState = stateNumericOutOfRange
	case warehouse.Corrupt:
		e.SQLState = stateDataCorrupted
	case warehouse.Unavailable:
		e.SQLState = stateInsufficientService
	default:
		e.SQLState = stateInternal
	}
	return e
}

// killedError says why a statement's worker ended with it.
func killedError(k *confined.Killed) *Error {
	e := kindError(k)
	e.Detail = "The statement's worker was ended; the next statement has a new one."
	switch k.Shortage {
	case confined.Memory:
		e.SQLState, e.Message, e.Hint = stateOutOfMemory, "out of memory: "+k.Error(), "Ask for a shorter time range, fewer columns or fewer groups, or raise --memory."
	case confined.Space:
		e.SQLState, e.Message, e.Hint = stateDiskFull, "out of disk space for intermediate results", "Ask for a shorter time range, fewer columns or fewer groups."
	case confined.Crash:
		e.SQLState, e.Message = stateTooComplex, "the statement is too much for the SQL engine, which ended"
	}
	return e
}

// faultError says what DuckDB said in PostgreSQL's terms.
func faultError(f *engine.Fault) *Error {
	message, hint, _ := strings.Cut(f.Message, "\n")
	e := &Error{Kind: warehouse.KindOf(f), SQLState: faultState(f), Message: message, Hint: strings.TrimSpace(hint), Cause: f}
	switch e.SQLState {
	case stateUndefinedColumn:
		if f.Name != "" {
			e.Message = fmt.Sprintf("column %q does not exist", f.Name)
		}
	case stateInternal:
		e.Kind, e.Message = warehouse.Internal, "internal error of the SQL engine: "+message
	case stateOutOfMemory:
		e.Message = "out of memory"
		e.Detail = message
		e.Hint = "Ask for a shorter time range, fewer columns or fewer groups, or raise --memory."
	case stateDiskFull:
		e.Message = "out of disk space for intermediate results"
		e.Detail = message
		e.Hint = "Ask for a shorter time range, fewer columns or fewer groups."
	case stateQueryCanceled:
		e.Message = "canceling statement due to user request"
	}
	return e
}

// faultState returns the SQLSTATE of an error of DuckDB.
func faultState(f *engine.Fault) string {
	text := strings.ToLower(f.Message)
	has := func(s string) bool { return strings.Contains(text, s) }
	switch f.Class {
	case "Parser", "Syntax":
		switch {
		case has("max expression depth"), has("memory exhausted"):
			return stateTooComplex
		}
		return stateSyntaxError
	case "Catalog":
		return catalogState(f)
	case "Binder":
		return binderState(f, has)
	case "Conversion":
		switch {
		case has("out of range") && (has("timestamp") || has("date")):
			return stateDatetimeOverflow
		case has("timestamp"), has("date field"), has("time field"), has("interval"):
			return stateInvalidDatetime
		case has("out of range"), has("overflow"), has("can't be cast because the value"):
			return stateNumericOutOfRange
		}
		return stateInvalidText
	case "Out of Range", "Decimal":
		return stateNumericOutOfRange
	case "Divide by Zero":
		return stateDivisionByZero
	case "Invalid Input":
		switch {
		case has("unrecognized configuration parameter"):
			return stateUndefinedObject
		case has("max expression depth"):
			return stateTooComplex
		}
		return stateInvalidParameter
	case "Mismatch Type", "Invalid type":
		return stateMismatch
	case "Parameter Not Resolved":
		return stateIndeterminateType
	case "Parameter Not Allowed":
		return stateUndefinedParameter
	case "Not implemented", "Not Implemented":
		return stateNotSupported
	case "Out of Memory":
		if has("max_temp_directory_size") || has("failed to offload") {
			return stateDiskFull
		}
		return stateOutOfMemory
	case "Object Size":
		return stateProgramLimit
	case "Permission":
		return stateNotAllowed
	case "Interrupt", "INTERRUPT":
		return stateQueryCanceled
	case "Constraint", "Expression", "Sequence", "Settings", "Dependency", "Missing Extension":
		return stateDataException
	}
	return stateInternal
}

func catalogState(f *engine.Fault) string {
	switch f.Object {
	case "Table", "View":
		return stateUndefinedTable
	case "Type":
		return stateUndefinedObject
	case "Schema":
		return stateUndefinedSchema
	}
	if strings.Contains(f.Object, "Function") || strings.Contains(f.Object, "Macro") {
		return stateUndefinedFunction
	}
	return stateUndefinedObject
}

func binderState(f *engine.Fault, has func(string) bool) string {
	switch {
	case f.Subtype == "COLUMN_NOT_FOUND":
		return stateUndefinedColumn
	case f.Subtype == "NO_MATCHING_FUNCTION", has("no function matches"), has("does not support the supplied arguments"):
		return stateUndefinedFunction
	case has("referenced table"):
		return stateUndefinedTable
	case has("ambiguous reference"):
		return stateAmbiguousColumn
	case has("group by clause"), has("aggregate"), has("window function"):
		return stateGrouping
	case has("cannot compare"), has("cannot mix"), has("explicit cast"), has("cannot combine types"):
		return stateMismatch
	case has("max expression depth"):
		return stateTooComplex
	case has("order term out of range"), has("ordinal"):
		return stateInvalidReference
	case has("does not have a column named"), has("not found in from clause"):
		return stateUndefinedColumn
	case has("could not determine type of parameters"):
		return stateIndeterminateType
	}
	return stateSyntaxError
}

// ctxError returns the error of a context that has ended, or nil.
func ctxError(ctx context.Context) error {
	switch err := ctx.Err(); {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return warehouse.Errorf(warehouse.Deadline, "run statement: %w", err)
	default:
		return warehouse.Errorf(warehouse.Canceled, "run statement: %w", err)
	}
}
