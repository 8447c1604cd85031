package worker

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/stackhouse-db/stackhouse/sql/confined"
	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Rows are the rows of a running statement.
//
// Concurrency: one goroutine at a time.
type Rows interface {
	// Schema describes the batches.
	Schema() *arrow.Schema
	// Next returns the next rows, or [engine.ErrDone] after the last. The batch is
	// valid until the next call of Next or Close, unless the caller retains it.
	Next(ctx context.Context) (arrow.RecordBatch, error)
	// Close ends the statement. Closing twice is fine.
	Close()
}

// database is an instance of DuckDB: in this process, or in one of its own.
type database interface {
	Exec(ctx context.Context, text string) error
	Text(ctx context.Context, text string) (string, error)
	Describe(ctx context.Context, text string) (engine.Description, error)
	Append(ctx context.Context, database, schema, table string, rec arrow.RecordBatch) error
	Lock(ctx context.Context) error
	Broken() bool
	Close()

	query(ctx context.Context, text string) (Rows, error)
}

// local is an instance in this process.
type local struct{ *engine.Instance }

func (l local) query(ctx context.Context, text string) (Rows, error) {
	rows, err := l.Query(ctx, text)
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// remote is an instance in a process of its own.
type remote struct{ *confined.Process }

func (r remote) query(ctx context.Context, text string) (Rows, error) {
	rows, err := r.Query(ctx, text)
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// openDatabase opens an instance for a tenant: in a process of its own if there is a
// starter.
func (o *Options) openDatabase(tenant warehouse.Tenant, in confined.Instance) (database, error) {
	if o.Starter == nil {
		ix, err := engine.OpenInstance(engine.Options{
			Threads: in.Threads, MemoryBytes: in.MemoryBytes, TempDir: in.TempDir, MaxTempBytes: in.MaxTempBytes, AllowedDirs: in.ReadDirs,
		}, in.Settings...)
		if err != nil {
			return nil, err
		}
		return local{ix}, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	p, err := o.Starter.Open(ctx, in)
	if err != nil {
		return nil, warehouse.Errorf(warehouse.KindOf(err), "open worker of tenant %s: %w", tenant, err)
	}
	return remote{p}, nil
}
