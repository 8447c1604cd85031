package worker

import (
	"context"
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stackhouse-db/stackhouse/sql/catalog"
	"github.com/stackhouse-db/stackhouse/sql/confined"
	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/sql/macro"
	"github.com/stackhouse-db/stackhouse/sql/plan"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// plannerMemory bounds what one statement's text and plan may use.
const plannerMemory = 256 << 20

// Planner parses, describes and plans statements of one tenant. Its relations are
// empty tables.
//
// Concurrency: one call at a time.
type Planner struct {
	instance
}

func openPlanner(tenant warehouse.Tenant, o *Options) (*Planner, error) {
	db, err := o.openDatabase(tenant, confined.Instance{
		Threads: 1, MemoryBytes: plannerMemory, ReadDirs: o.catalogDirs(),
		Settings: append(settings[:len(settings):len(settings)], engine.Setting{Name: "disabled_optimizers", Value: quoteText(plan.DisabledOptimizers)}),
	})
	if err != nil {
		return nil, err
	}
	p := &Planner{instance{database: db, name: Database(tenant), catalog: o.Catalog}}
	err = p.fill(createTables() + createSystem(catalog.SystemRelations()...) + createViews() + createFunctions() + macro.Clock())
	if err != nil {
		db.Close()
		return nil, err
	}
	return p, nil
}

// Parse returns a statement's syntax tree, as json_serialize_sql writes it.
func (p *Planner) Parse(ctx context.Context, text string) (string, error) {
	return p.Text(ctx, "SELECT json_serialize_sql("+quoteText(text)+")::VARCHAR")
}

// Plan returns a statement's optimized plan, as json_serialize_plan writes it.
func (p *Planner) Plan(ctx context.Context, text string) (string, error) {
	return p.Text(ctx, "SELECT json_serialize_plan("+quoteText(text)+", optimize := true)::VARCHAR")
}

// Row runs a statement that reads no relation, and calls fn with its only row.
func (p *Planner) Row(ctx context.Context, text string, fn func(arrow.RecordBatch) error) error {
	rows, err := p.query(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	rec, err := rows.Next(ctx)
	if err != nil {
		return err
	}
	if rec.NumRows() != 1 {
		return warehouse.Errorf(warehouse.Internal, "evaluate: %d rows, not one", rec.NumRows())
	}
	return fn(rec)
}

// Lines runs a statement and returns the last column of its rows as text.
func (p *Planner) Lines(ctx context.Context, text string) (out []string, err error) {
	rows, err := p.query(ctx, text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for {
		rec, err := rows.Next(ctx)
		if errors.Is(err, engine.ErrDone) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		column := rec.Column(int(rec.NumCols()) - 1)
		for i := range int(rec.NumRows()) {
			out = append(out, string([]byte(column.ValueStr(i))))
		}
	}
}

// instance is what planners and executors have in common.
type instance struct {
	database
	name    string // of the tenant's database
	catalog Catalog
	loaded  bool // the catalogue is there
}

// Database returns the name of the tenant's database.
func (i *instance) Database() string { return i.name }

// fill makes the tenant's database from a script, and locks the settings.
func (i *instance) fill(script string) error {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	if err := i.Exec(ctx, createDatabase(i.name)+script); err != nil {
		return warehouse.Errorf(warehouse.Internal, "fill instance of tenant %s: %w", i.name, err)
	}
	return i.Lock(ctx)
}

// SetSession tells the instance about the session of the next statement. Statements
// of PostgreSQL's catalogue load it first, once.
func (i *instance) SetSession(ctx context.Context, s Session) error {
	if s.Catalog != nil && !i.loaded && i.catalog != nil {
		if err := i.catalog.Load(ctx, i.database); err != nil {
			return err
		}
		path := quoteName(i.name) + "." + schemaPublic + "," + catalog.Database + ".main"
		if err := i.Exec(ctx, "SET search_path = "+quoteText(path)); err != nil {
			return err
		}
		i.loaded = true
	}
	return i.Exec(ctx, s.sql())
}
