package engine

import (
	"context"
	"errors"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// mapError gives err its kind. When the context has ended, that is the reason,
// whatever the interrupted statement says.
func mapError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctxError(ctx, "query engine")
	}
	var de *duckdb.Error
	if !errors.As(err, &de) {
		return warehouse.Errorf(warehouse.Internal, "query engine: %w", err)
	}
	switch kind := kindOf(de.Type); kind {
	case warehouse.Limit:
		return warehouse.Errorf(kind, "query engine: out of memory: ask for a shorter time range or fewer series, or raise --memory: %w", err)
	default:
		return warehouse.Errorf(kind, "query engine: %w", err)
	}
}

func kindOf(t duckdb.ErrorType) warehouse.Kind {
	switch t {
	case duckdb.ErrorTypeOutOfMemory, duckdb.ErrorTypeObjectSize:
		return warehouse.Limit
	case duckdb.ErrorTypeOutOfRange, duckdb.ErrorTypeConversion, duckdb.ErrorTypeDecimal:
		return warehouse.OutOfRange
	case duckdb.ErrorTypeIO, duckdb.ErrorTypeConnection:
		return warehouse.Unavailable
	case duckdb.ErrorTypePermission:
		return warehouse.Denied
	case duckdb.ErrorTypeBinder, duckdb.ErrorTypeCatalog, duckdb.ErrorTypeParser, duckdb.ErrorTypeSyntax,
		duckdb.ErrorTypeInvalidInput, duckdb.ErrorTypeInvalidType, duckdb.ErrorTypeMismatchType,
		duckdb.ErrorTypeExpression, duckdb.ErrorTypeParameterNotResolved, duckdb.ErrorTypeParameterNotAllowed,
		duckdb.ErrorTypeNotImplemented, duckdb.ErrorTypeDivideByZero:
		return warehouse.Invalid
	}
	return warehouse.Internal
}

// isFatal reports whether DuckDB refuses to go on with the instance.
func isFatal(err error) bool {
	var de *duckdb.Error
	return errors.As(err, &de) && de.Type == duckdb.ErrorTypeFatal
}

func ctxError(ctx context.Context, verb string) error {
	kind := warehouse.Canceled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		kind = warehouse.Deadline
	}
	return warehouse.Errorf(kind, verb+": %w", ctx.Err())
}
