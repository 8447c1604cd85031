package statement

import (
	"context"
	"math/big"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Session is what a statement can see of the connection that sent it. It is a
// plain value: the owner of the connection fills one for each statement.
type Session struct {
	Tenant          warehouse.Tenant
	User            string
	ApplicationName string    // "" when the client gave none
	PID             int32     // pg_backend_pid(); greater than zero
	TimeZone        string    // IANA name; "" is UTC
	Now             time.Time // transaction time: what now() says

	// Settings holds every run-time parameter by its lower-case name, for
	// current_setting(). It is shared and replaced on change: read it only.
	Settings map[string]string

	// Pin keeps the snapshot of a transaction for its later statements. Nil
	// outside of a transaction block: the statement has a snapshot of its own.
	Pin *Pin
}

// The names of DuckDB's types, as Type.Name holds them.
const (
	Boolean     = "BOOLEAN"
	TinyInt     = "TINYINT"
	SmallInt    = "SMALLINT"
	Integer     = "INTEGER"
	BigInt      = "BIGINT"
	HugeInt     = "HUGEINT"
	UTinyInt    = "UTINYINT"
	USmallInt   = "USMALLINT"
	UInteger    = "UINTEGER"
	UBigInt     = "UBIGINT"
	UHugeInt    = "UHUGEINT"
	Float       = "FLOAT"
	Double      = "DOUBLE"
	Decimal     = "DECIMAL"
	Varchar     = "VARCHAR"
	Blob        = "BLOB"
	Bit         = "BIT"
	Date        = "DATE"
	Time        = "TIME"
	TimeTZ      = "TIMETZ"
	Timestamp   = "TIMESTAMP"
	TimestampS  = "TIMESTAMP_S"
	TimestampMS = "TIMESTAMP_MS"
	TimestampNS = "TIMESTAMP_NS"
	TimestampTZ = "TIMESTAMPTZ"
	Interval    = "INTERVAL"
	UUID        = "UUID"
	JSON        = "JSON"
	Enum        = "ENUM"
	List        = "LIST"
	Array       = "ARRAY"
	Struct      = "STRUCT"
	Map         = "MAP"
	Union       = "UNION"
	Null        = "NULL" // an untyped NULL
)

// Type is a DuckDB type: its Name is one of the constants above.
type Type = engine.Type

// Field is a member of a STRUCT or UNION.
type Field = engine.Field

// Column is one column of a statement's result.
type Column struct {
	Name string
	Type Type

	// PGType is the PostgreSQL type that the catalogue declares for a column
	// which DuckDB cannot tell from its own type: name, oid, "char", regproc,
	// … Empty: the type follows from Type.
	PGType string
}

// Prepared is a statement that was checked and described, not executed. It may
// be executed any number of times, by any session of the same tenant.
type Prepared struct {
	Text    string // as it was given to Prepare
	Params  []Type // of $1, $2, …
	Columns []Column

	inner *prepared // what Execute needs; nil unless a Service made it
}

// Rows is the running result of a statement. Its snapshot is pinned and its
// worker taken until Close, or until Next has returned io.EOF.
//
// Ownership: the caller closes it. Concurrency: one goroutine at a time.
type Rows interface {
	// Next returns the next rows, io.EOF after the last, or an *Error. When ctx
	// ends, the statement is interrupted and cannot be resumed.
	//
	// Ownership: the batch is valid until the next call of Next or Close; a
	// caller that keeps it longer Retains it, and Releases it in the end.
	Next(ctx context.Context) (arrow.RecordBatch, error)

	// Close ends the statement. Closing twice is fine.
	Close()

	// Stats says what the statement cost so far.
	Stats() Stats
}

// Stats is what a statement cost.
type Stats struct {
	Rows         int64 // given to the caller
	ScannedBytes int64 // of the sections that the plan left to read
	Sections     int   // files bound to the statement's relations
	Plan, Run    time.Duration
}

// Arguments of a statement are Go values, by the type of the parameter:
//
//	NULL                                nil
//	BOOLEAN                             bool
//	TINYINT … BIGINT, UTINYINT … UINTEGER   int64
//	UBIGINT                             uint64
//	HUGEINT, UHUGEINT                   *big.Int
//	DECIMAL                             DecimalValue
//	FLOAT, DOUBLE                       float64
//	VARCHAR, JSON, ENUM, BIT            string
//	BLOB                                []byte
//	DATE                                time.Time at midnight UTC, or Infinity
//	TIMESTAMP, _S, _MS, _NS             time.Time whose UTC clock is meant, or Infinity
//	TIMESTAMPTZ                         time.Time, or Infinity
//	TIME                                time.Duration since midnight
//	INTERVAL                            IntervalValue
//	UUID                                [16]byte
//	LIST, ARRAY                         []any of these
//	any other type                      string, to be cast by DuckDB

// DecimalValue is Unscaled × 10^-Scale.
type DecimalValue struct {
	Unscaled *big.Int
	Scale    int // ≥ 0
}

// IntervalValue is a span of months, days and microseconds, each signed.
type IntervalValue struct {
	Months, Days int32
	Micros       int64
}

// Infinity is a date or timestamp before (negative) or after (positive) all
// others.
type Infinity int

// Error is how a statement fails: each failure of this package is one.
type Error struct {
	Kind     warehouse.Kind
	SQLState string // five characters; "" leaves it to the kind
	Message  string // a sentence for the user, without its position
	Detail   string // "" when there is none
	Hint     string // "" when there is none
	Position int    // character of the statement's text, from 1; 0 when unknown
	Cause    error  // nil when there is none
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the kind as a *warehouse.Error, then the cause.
func (e *Error) Unwrap() []error {
	errs := []error{&warehouse.Error{Kind: e.Kind, Text: e.Message}}
	if e.Cause != nil {
		errs = append(errs, e.Cause)
	}
	return errs
}
