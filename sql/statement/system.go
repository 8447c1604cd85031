package statement

import (
	"maps"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/stackhouse-db/stackhouse/sql/catalog"
	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/sql/worker"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// JobLister is what a query.Snapshot may implement: without it, system.jobs has no
// rows.
type JobLister interface {
	// CompactionJobs returns the tenant's jobs that are not done.
	CompactionJobs(t warehouse.Tenant) []Job
}

// Verified is what a query.Snapshot may implement: without it, all parts are ok and
// were never verified.
type Verified interface {
	// PartHealth returns what is known of a part's stored bytes.
	PartHealth(p *warehouse.Part) Health
}

// Health is what is known of a part's stored bytes.
type Health struct {
	Damage     string           // in words; "" if none is known
	VerifiedAt warehouse.Micros // 0 if never
}

// Job is a compaction job, as system.jobs shows it.
type Job struct {
	ID       warehouse.ObjectID
	Level    uint8 // of what is made
	Hour     warehouse.Hour
	Inputs   []warehouse.ObjectID
	Bytes    int64 // of the inputs
	State    JobState
	Worker   string // "" unless it is running
	Attempts int
	Failures int
	Reason   string // of the last failure, "" without one
	Since    warehouse.Micros
	FailedAt warehouse.Micros // of the last failure
}

// DeletionLister is what a query.Snapshot may implement: without it, system.deletions
// has no rows.
type DeletionLister interface {
	// DeletionList returns what is remembered of the tenant's deletions.
	DeletionList(t warehouse.Tenant) []Deletion
}

// Deletion is a deletion, as system.deletions shows it.
type Deletion struct {
	*warehouse.Deletion

	AppliedAt, GoneAt warehouse.Micros // 0: not yet
	Parts             int              // that hold some of it
	Bytes             int64            // of these and of dead ones
}

// State says how far the deletion is.
func (d *Deletion) State() string {
	switch {
	case d.AppliedAt == 0:
		return "hidden"
	case d.GoneAt == 0:
		return "removed"
	}
	return "done"
}

// JobState says what a job waits for.
type JobState string

// The states of jobs.
const (
	JobWaiting  JobState = "waiting"   // for a worker
	JobRunning  JobState = "running"   // for its worker to finish
	JobSetAside JobState = "set aside" // for an operator: it failed too often
)

// systemRows makes the rows of the relations of the schema system that the statement
// names, from its snapshot. The caller releases them.
func (r *running) systemRows() []worker.SystemRows {
	var out []worker.SystemRows
	for _, name := range slices.Sorted(maps.Keys(r.prepared.named.system)) {
		relation, ok := catalog.SystemRelationByName(name)
		if !ok {
			panic(warehouse.Bug("system.%s is not in the catalogue", name))
		}
		b := newSystemBuilder(relation)
		switch name {
		case "deletions":
			b.deletions(r.snapshot, r.sess.Tenant)
		case "jobs":
			b.jobs(r.snapshot, r.sess.Tenant)
		case "queries":
			b.queries(r.service.ledger, r.sess.Tenant)
		case "segments":
			b.parts(r.snapshot, r.sess.Tenant, func(p *warehouse.Part) bool { return p.Level == warehouse.LevelSegment })
		case "blocks":
			b.parts(r.snapshot, r.sess.Tenant, func(p *warehouse.Part) bool { return p.Level != warehouse.LevelSegment })
		}
		out = append(out, worker.SystemRows{Relation: relation, Rows: b.finish()})
	}
	return out
}

// queries appends the tenant's running statements.
func (b *systemBuilder) queries(l *ledger, t warehouse.Tenant) {
	for _, e := range l.list(t) {
		b.add(int64(e.id), e.user, int(e.pid), warehouse.MicrosOf(e.since), e.rows, e.bytes, e.who.fingerprint, e.shape) //nolint:gosec // far from 2^63
	}
}

// systemBuilder collects the rows of a relation of the schema system, value by value
// in the order of its columns.
type systemBuilder struct {
	rows *array.RecordBuilder
}

// systemTypes are the types that columns of the schema system have.
var systemTypes = map[string]arrow.DataType{
	"VARCHAR": arrow.BinaryTypes.String, "VARCHAR[]": arrow.ListOf(arrow.BinaryTypes.String),
	"INTEGER": arrow.PrimitiveTypes.Int32, "BIGINT": arrow.PrimitiveTypes.Int64, "TIMESTAMPTZ": arrow.FixedWidthTypes.Timestamp_us,
}

func newSystemBuilder(r catalog.Relation) *systemBuilder {
	fields := make([]arrow.Field, len(r.Columns))
	for i, c := range r.Columns {
		fields[i] = arrow.Field{Name: c.Name, Type: systemTypes[c.Type.DuckDB], Nullable: c.Nullable}
	}
	return &systemBuilder{rows: array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))}
}

func (b *systemBuilder) finish() arrow.RecordBatch {
	defer b.rows.Release()
	return b.rows.NewRecordBatch()
}

// add appends a row. nil is NULL.
func (b *systemBuilder) add(values ...any) {
	for i, v := range values {
		switch to := b.rows.Field(i).(type) {
		case *array.StringBuilder:
			appendText(to, v)
		case *array.Int32Builder:
			to.Append(int32(v.(int))) //nolint:gosec // levels and counts
		case *array.Int64Builder:
			appendNumber(to, v)
		case *array.TimestampBuilder:
			appendTime(to, v)
		case *array.ListBuilder:
			to.Append(true)
			for _, item := range v.([]string) {
				to.ValueBuilder().(*array.StringBuilder).Append(item)
			}
		}
	}
}

// parts appends the tenant's parts that accept picks.
func (b *systemBuilder) parts(s query.Snapshot, t warehouse.Tenant, accept func(*warehouse.Part) bool) {
	bounds := s.Bounds(t)
	if bounds.IsEmpty() {
		return
	}
	verified, _ := s.(Verified)
	for _, p := range s.Parts(t, bounds) {
		if !accept(p) {
			continue
		}
		var h Health
		if verified != nil {
			h = verified.PartHealth(p)
		}
		b.part(p, h)
	}
}

// The states of parts.
const (
	partOK      = "ok"
	partDamaged = "damaged"
)

func (b *systemBuilder) part(p *warehouse.Part, h Health) {
	var rows int64
	services := make([]string, len(p.Datasets))
	for i := range p.Datasets {
		services[i] = p.Datasets[i].Service
		for _, t := range p.Datasets[i].Types {
			rows += t.Rows
		}
	}
	state := partOK
	var damage, verifiedAt any
	if h.Damage != "" {
		state, damage = partDamaged, h.Damage
	}
	if h.VerifiedAt != 0 {
		verifiedAt = h.VerifiedAt
	}
	b.add(p.Object.String(), int(p.Level), p.Hour.Start(), p.Range.From, p.Range.To, rows, p.SizeBytes(), services, objectTime(p.Object), state, damage, verifiedAt)
}

// objectTime is when an object was made.
func objectTime(id warehouse.ObjectID) warehouse.Micros {
	return warehouse.MicrosOf(time.UnixMilli(int64(id.Time()))) //nolint:gosec // 48 bits
}

// jobs appends the tenant's jobs, if the snapshot knows them.
func (b *systemBuilder) jobs(s query.Snapshot, t warehouse.Tenant) {
	lister, ok := s.(JobLister)
	if !ok {
		return
	}
	for _, j := range lister.CompactionJobs(t) {
		inputs := make([]string, len(j.Inputs))
		for i, id := range j.Inputs {
			inputs[i] = id.String()
		}
		var worker, reason, failedAt any
		if j.Worker != "" {
			worker = j.Worker
		}
		if j.Failures > 0 {
			reason, failedAt = j.Reason, j.FailedAt
		}
		b.add(j.ID.String(), int(j.Level), j.Hour.Start(), inputs, j.Bytes, string(j.State), worker, j.Attempts, j.Failures, reason, j.Since, failedAt)
	}
}

// deletions appends the tenant's deletions, if the snapshot knows them.
func (b *systemBuilder) deletions(s query.Snapshot, t warehouse.Tenant) {
	lister, ok := s.(DeletionLister)
	if !ok {
		return
	}
	for _, d := range lister.DeletionList(t) {
		var series, appliedAt, goneAt any
		if d.Series != nil {
			series = int64(len(d.Series))
		}
		if d.AppliedAt != 0 {
			appliedAt = d.AppliedAt
		}
		if d.GoneAt != 0 {
			goneAt = d.GoneAt
		}
		b.add(d.ID.String(), d.Selector, d.Services, d.Types, series, d.From, d.To, d.Reason.String(), d.SubmittedAt,
			d.State(), int64(d.Parts), d.Bytes, appliedAt, goneAt)
	}
}

func appendNumber(to *array.Int64Builder, v any) {
	if v == nil {
		to.AppendNull()
		return
	}
	to.Append(v.(int64))
}

func appendText(to *array.StringBuilder, v any) {
	if v == nil {
		to.AppendNull()
		return
	}
	to.Append(v.(string))
}

func appendTime(to *array.TimestampBuilder, v any) {
	if v == nil {
		to.AppendNull()
		return
	}
	to.Append(arrow.Timestamp(v.(warehouse.Micros)))
}
