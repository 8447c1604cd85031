package worker

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stackhouse-db/stackhouse/sql/catalog"
	"github.com/stackhouse-db/stackhouse/sql/confined"
	"github.com/stackhouse-db/stackhouse/sql/macro"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Executor runs statements of one tenant.
//
// Concurrency: one statement at a time.
type Executor struct {
	instance
	tenant  warehouse.Tenant
	opts    *Options
	temp    string   // its folder for what does not fit into memory, or ""
	folders []folder // that it may read
	made    []string // tables of the statement before, with their schemas
	bound   map[warehouse.Table]bool
}

// folder is one that an executor may read, as it was when it was opened: what a process
// may read is decided once, and for a folder, not for its name. One that has no files
// any more is removed, and made again when there are some.
type folder struct {
	path string      // with a separator behind it
	info os.FileInfo // nil: it did not exist
}

func (f *folder) isSame() bool {
	info, err := os.Stat(f.path)
	return err == nil && f.info != nil && os.SameFile(info, f.info)
}

func openExecutor(tenant warehouse.Tenant, o *Options) (*Executor, error) {
	e := &Executor{tenant: tenant, opts: o}
	if o.TempDir != "" {
		var err error
		if err = os.MkdirAll(o.TempDir, 0o750); err == nil {
			e.temp, err = os.MkdirTemp(o.TempDir, "worker-")
		}
		if err != nil {
			return nil, warehouse.Errorf(warehouse.Unavailable, "open worker: %w", err)
		}
	}
	if err := e.open(); err != nil {
		e.removeTemp()
		return nil, err
	}
	return e, nil
}

// open opens the instance, for the folders that exist now.
func (e *Executor) open() error {
	o := e.opts
	dirs := o.dirs(e.tenant)
	e.folders = nil
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil {
			info = nil
		}
		e.folders = append(e.folders, folder{dir + string(filepath.Separator), info})
	}
	db, err := o.openDatabase(e.tenant, confined.Instance{
		Threads: o.Threads, MemoryBytes: o.memoryEach(), ReadDirs: dirs, TempDir: e.temp, MaxTempBytes: o.MaxTempBytes, Settings: settings,
	})
	if err != nil {
		return err
	}
	e.instance = instance{database: db, name: Database(e.tenant), catalog: o.Catalog}
	e.made, e.bound = nil, map[warehouse.Table]bool{}
	if err := e.fill(createEmpty() + createViews() + macro.Clock()); err != nil {
		e.database.Close()
		return err
	}
	return nil
}

// reach opens the instance again when a job has files in a folder that is not the one
// which it was opened for. The caller keeps the files, and with them their folders.
func (e *Executor) reach(job *Job) error {
	for _, files := range job.Relations {
		if !e.mayRead(files.Paths) || files.Facts != nil && !e.mayRead(files.Facts.Paths) {
			e.database.Close()
			return e.open()
		}
	}
	return nil
}

func (e *Executor) mayRead(paths []string) bool {
	for i := range e.folders {
		f := &e.folders[i]
		if slices.ContainsFunc(paths, func(path string) bool { return strings.HasPrefix(path, f.path) }) && !f.isSame() {
			return false
		}
	}
	return true
}

// Close frees the executor and what it spilled.
func (e *Executor) Close() {
	e.database.Close()
	e.removeTemp()
}

func (e *Executor) removeTemp() {
	if e.temp != "" {
		_ = os.RemoveAll(e.temp)
	}
}

// Job is one statement to run.
type Job struct {
	Session Session
	Text    string

	// Relations are the files of the stored relations that the statement names,
	// directly or through a view. One without files has no rows.
	Relations map[warehouse.Table]macro.Files

	// Calls are the rows of product functions, in tables of CallSchema.
	Calls []Call

	// System are the rows of the relations of the schema system that the statement
	// names.
	System []SystemRows
}

// SystemRows are the rows of a relation of the schema system.
type SystemRows struct {
	Relation catalog.Relation
	Rows     arrow.RecordBatch // its columns are those of the relation
}

// Call is the result of a product function.
type Call struct {
	Table    string
	Function catalog.Function
	Rows     arrow.RecordBatch // its columns are those that the function returns
}

// Run starts a job.
//
// Ownership: the caller closes the rows before the next job, and keeps the files
// until then.
func (e *Executor) Run(ctx context.Context, job Job) (Rows, error) {
	if err := e.reach(&job); err != nil {
		return nil, err
	}
	if err := e.SetSession(ctx, job.Session); err != nil {
		return nil, err
	}
	if script := e.prepare(job); script != "" {
		if err := e.Exec(ctx, script); err != nil {
			return nil, err
		}
	}
	for _, c := range job.Calls {
		if err := e.Append(ctx, e.name, CallSchema, c.Table, c.Rows); err != nil {
			return nil, err
		}
	}
	for _, s := range job.System {
		if err := e.Append(ctx, e.name, catalog.SystemSchemaName, s.Relation.Name, s.Rows); err != nil {
			return nil, err
		}
	}
	return e.query(ctx, job.Text)
}

// prepare returns the statements that bind a job's relations and make the tables of
// its calls and of its system relations.
func (e *Executor) prepare(job Job) string {
	var b strings.Builder
	for _, name := range e.made {
		b.WriteString("DROP TABLE IF EXISTS " + name + ";\n")
	}
	e.made = e.made[:0]
	for _, t := range stored {
		files, named := job.Relations[t]
		if !named && !e.bound[t] {
			continue
		}
		b.WriteString(bind(t, files))
		e.bound[t] = len(files.Paths) > 0
	}
	for _, c := range job.Calls {
		b.WriteString(createCall(c.Table, c.Function))
		e.made = append(e.made, CallSchema+"."+quoteName(c.Table))
	}
	for _, s := range job.System {
		b.WriteString(createSystem(s.Relation))
		e.made = append(e.made, catalog.SystemSchemaName+"."+quoteName(s.Relation.Name))
	}
	return b.String()
}
