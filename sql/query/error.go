package query

import (
	"context"
	"errors"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// ctxError returns the error of a context that has ended, or nil.
func ctxError(ctx context.Context) error {
	switch err := ctx.Err(); {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return warehouse.Errorf(warehouse.Deadline, "query: %w", err)
	default:
		return warehouse.Errorf(warehouse.Canceled, "query: %w", err)
	}
}

// partError names the part that err is about. It keeps the kind.
func partError(p *warehouse.Part, t warehouse.Table, err error) error {
	return warehouse.Errorf(warehouse.KindOf(err), "read %s of object %s, hour %s: %w", t, p.Object, p.Hour, err)
}
