package pgwire

import "github.com/stackhouse-db/stackhouse/warehouse"

// SQLSTATEs that this package itself answers with, by PostgreSQL's names.
const (
	stateProtocolViolation      = "08P01"
	stateFeatureNotSupported    = "0A000"
	stateNumericOutOfRange      = "22003"
	stateInvalidDatetime        = "22007"
	stateDatetimeOverflow       = "22008"
	stateInvalidParameter       = "22023"
	stateInvalidEncoding        = "22021"
	stateInvalidText            = "22P02"
	stateInvalidBinary          = "22P03"
	stateActiveTransaction      = "25001"
	stateReadOnly               = "25006"
	stateNoActiveTransaction    = "25P01"
	stateFailedTransaction      = "25P02"
	stateIdleInTransaction      = "25P03"
	stateUndefinedStatement     = "26000"
	stateInvalidAuthorization   = "28000"
	stateUndefinedCursor        = "34000"
	stateUndefinedDatabase      = "3D000"
	stateInvalidSavepoint       = "3B001"
	stateInsufficientPrivilege  = "42501"
	stateSyntaxError            = "42601"
	stateUndefinedObject        = "42704"
	stateUndefinedParameter     = "42P02"
	stateDuplicateCursor        = "42P03"
	stateDuplicateStatement     = "42P05"
	stateTooManyConnections     = "53300"
	stateConfigurationLimit     = "53400"
	stateProgramLimit           = "54000"
	stateNotInPrerequisiteState = "55000"
	stateCannotChangeParameter  = "55P02"
	stateQueryCanceled          = "57014"
	stateAdminShutdown          = "57P01"
	stateIdleSession            = "57P05"
	stateInternal               = "XX000"
)

// kindStates is the SQLSTATE of an error that has only a kind.
var kindStates = [warehouse.NumKinds]string{
	warehouse.Internal:    stateInternal,
	warehouse.Invalid:     stateInvalidParameter,
	warehouse.NotFound:    stateUndefinedObject,
	warehouse.Exists:      "42710", // duplicate object
	warehouse.Denied:      stateInsufficientPrivilege,
	warehouse.Limit:       stateProgramLimit,
	warehouse.OutOfRange:  stateNumericOutOfRange,
	warehouse.Corrupt:     "XX001", // data corrupted
	warehouse.Unavailable: "53000", // insufficient resources: the connection is fine, try again
	warehouse.Canceled:    stateQueryCanceled,
	warehouse.Deadline:    stateQueryCanceled,
}

// sqlState returns the SQLSTATE of a kind.
func sqlState(k warehouse.Kind) string {
	if k < warehouse.NumKinds {
		return kindStates[k]
	}
	return stateInternal
}
