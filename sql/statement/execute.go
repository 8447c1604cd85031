package statement

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/sql/macro"
	"github.com/stackhouse-db/stackhouse/sql/plan"
	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/sql/worker"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/cache"
	"golang.org/x/sync/errgroup"
)

// Execute starts a statement. ctx bounds the call, not the rows.
//
// Errors: always an *Error.
func (s *Service) Execute(ctx context.Context, sess *Session, p *Prepared, args []any) (Rows, error) {
	if p.inner == nil || p.inner.tenant != sess.Tenant {
		return nil, &Error{Kind: warehouse.Internal, SQLState: stateInternal, Message: "the statement was not prepared for this tenant"}
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	r, err := s.execute(ctx, sess, p.inner, args)
	if err != nil {
		s.metrics.ended(err)
		return nil, err
	}
	return r, nil
}

func (s *Service) execute(ctx context.Context, sess *Session, p *prepared, args []any) (Rows, error) {
	run := &running{service: s, sess: sess, prepared: p, deadline: time.Now().Add(s.opts.Timeout)}
	var err error
	if run.entry, err = s.ledger.begin(sess, p.source.client); err != nil {
		return nil, run.fail(err)
	}
	err = run.bind(args)
	if err == nil {
		err = run.plan(ctx)
	}
	if err == nil && p.explain == planOf {
		rows, err := run.explained(ctx)
		run.entry.end(err, &run.stats)
		return rows, err
	}
	var rows Rows
	if err == nil {
		rows, err = run.start(ctx)
	}
	if err != nil {
		run.free()
		err := run.fail(err)
		run.entry.end(err, &run.stats)
		return nil, err
	}
	return rows, nil
}

// running is a statement from its arguments to its rows.
//
// Ownership: free releases all that it took.
type running struct {
	service  *Service
	sess     *Session
	prepared *prepared
	deadline time.Time
	entry    *entry

	values []string // of parameters, as expressions
	text   edited   // what runs
	plans  *plan.Plan
	calls  []*arguments

	explanation string // the plan as JSON, for EXPLAIN

	snapshot  query.Snapshot
	unpin     func() // nil: the transaction keeps the snapshot
	selection plan.Selection
	locals    []*cache.Local
	paths     []string // of locals, and what errors call them
	release   func()   // of the executor
	stats     Stats
}

// bind writes the arguments as expressions.
func (r *running) bind(args []any) error {
	types := r.prepared.params
	if len(args) != len(types) {
		return errorf("08P01", "the statement has %d parameters, %d arguments were given", len(types), len(args))
	}
	for i, a := range args {
		text, err := literal(a, types[i])
		if err != nil {
			return err
		}
		r.values = append(r.values, text)
	}
	r.text = apply(r.prepared.source.text, r.edits(func(n int) string { return r.prepared.calls[n].table(n) }))
	return nil
}

// edits put the arguments in, and tables in place of product functions.
func (r *running) edits(table func(n int) string) []edit {
	var out []edit
	for i := range r.prepared.calls {
		out = append(out, r.prepared.calls[i].replacement(table(i)))
	}
	inCall := func(b site) bool {
		return slices.ContainsFunc(r.prepared.calls, func(c callSite) bool { return c.start <= b.start && b.end <= c.end })
	}
	for _, b := range r.prepared.binds {
		if !inCall(b) {
			out = append(out, edit{b.start, b.end, r.values[b.param-1]})
		}
	}
	return out
}

// plan evaluates the arguments of product functions and plans the statement.
func (r *running) plan(ctx context.Context) error {
	start := time.Now()
	defer func() { r.stats.Plan = r.service.metrics.step("plan", start) }()
	if len(r.prepared.named.relations) == 0 && len(r.prepared.calls) == 0 && r.prepared.explain != planOf {
		return nil
	}
	planner, release, err := r.service.workers.Planner(ctx, r.sess.Tenant)
	if err != nil {
		return err
	}
	defer release()
	if err := planner.SetSession(ctx, r.service.workerSession(r.sess, r.prepared.named)); err != nil {
		return err
	}
	for i := range r.prepared.calls {
		c := &r.prepared.calls[i]
		a, err := c.evaluate(ctx, planner, r.prepared.source.text, r.prepared.binds, r.values)
		if err != nil {
			return r.prepared.source.fail(err, same)
		}
		r.calls = append(r.calls, a)
	}
	text := apply(r.prepared.source.text, r.edits(func(n int) string { return r.prepared.calls[n].function.Name }))
	if r.prepared.explain == planOf {
		lines, err := planner.Lines(ctx, explainPlan+text.text)
		if err != nil {
			return asError(err, r.prepared.source.client, nowhere)
		}
		r.explanation = strings.Join(lines, "\n")
	}
	return r.prune(ctx, planner, text.text)
}

// prune asks the optimizer what the statement reads. Without an answer it reads all
// of its relations.
func (r *running) prune(ctx context.Context, planner *worker.Planner, text string) error {
	if len(r.prepared.named.relations) == 0 || r.service.opts.unplanned {
		return nil
	}
	answer, err := planner.Plan(ctx, text)
	if err == nil {
		r.plans, err = plan.Parse([]byte(answer), worker.Database(r.sess.Tenant))
	}
	if err := ctxError(ctx); err != nil {
		return err
	}
	if err != nil {
		r.service.metrics.unplanned.Inc()
		r.service.opts.Logger.Debug("statement is not planned and reads all of its relations", "tenant", r.sess.Tenant, "err", err)
	}
	return nil
}

// start takes an executor, pins a snapshot, reads what product functions need, and
// runs.
func (r *running) start(ctx context.Context) (Rows, error) {
	begin := time.Now()
	executor, release, err := r.service.workers.Executor(ctx, r.sess.Tenant)
	if err != nil {
		return nil, err
	}
	r.release = release
	if err := r.pin(ctx); err != nil {
		return nil, err
	}
	job := worker.Job{Session: r.service.workerSession(r.sess, r.prepared.named), Text: r.text.text}
	if r.prepared.explain == analysisOf {
		job.Text = explainAnalyze + job.Text
	}
	defer func() {
		for _, c := range job.Calls {
			c.Rows.Release()
		}
		for _, s := range job.System {
			s.Rows.Release()
		}
	}()
	for i, a := range r.calls {
		rec, err := a.rows(ctx, r.service.opts.Query.At(r.snapshot), r.sess.Tenant)
		if err != nil {
			return nil, r.prepared.source.fail(&located{err: asError(err, "", nowhere), offset: r.prepared.calls[i].start}, same)
		}
		job.Calls = append(job.Calls, worker.Call{Table: r.prepared.calls[i].table(i), Function: a.function, Rows: rec})
	}
	job.System = r.systemRows()
	if job.Relations, err = r.acquire(ctx); err != nil {
		return nil, err
	}
	inner, err := executor.Run(ctx, job)
	if err != nil {
		return nil, err
	}
	out := newRows(r, inner, begin)
	if r.prepared.explain == analysisOf {
		return analyzed(ctx, out)
	}
	return out, nil
}

// pin takes a snapshot, or the transaction's, if the statement reads anything.
func (r *running) pin(ctx context.Context) error {
	if !r.prepared.named.reads() {
		return nil
	}
	take := func() (Releaser, error) { return r.service.opts.Index.Snapshot(ctx) }
	if r.sess.Pin == nil {
		held, err := take()
		if err != nil {
			return err
		}
		r.snapshot, r.unpin = held.(query.Snapshot), held.Release
		return nil
	}
	held, err := r.sess.Pin.Hold(take)
	if err != nil {
		return err
	}
	snapshot, ok := held.(query.Snapshot)
	if !ok {
		return warehouse.Errorf(warehouse.Internal, "use pinned snapshot: it is a %T", held)
	}
	r.snapshot = snapshot
	if aged, ok := held.(interface{ Err() error }); ok && aged.Err() != nil {
		return errorf(stateSnapshotTooOld, "snapshot too old").withHint("The transaction lasts for too long: end it and begin another one.")
	}
	return nil
}

// acquire pins the files that the plan leaves to read, by relation.
func (r *running) acquire(ctx context.Context) (map[warehouse.Table]macro.Files, error) {
	named := own(r.prepared.named.relations)
	out := map[warehouse.Table]macro.Files{}
	for t := range named {
		out[t] = macro.Files{}
	}
	if r.snapshot == nil {
		return out, nil
	}
	r.selection = r.selected(named)
	r.stats.ScannedBytes, r.stats.Sections = r.selection.SizeBytes(), r.selection.Sections()
	m := r.findMasks()
	r.stats.ScannedBytes += m.needed.SizeBytes()
	if most := r.service.opts.MaxScanBytes; most > 0 && r.stats.ScannedBytes > most {
		return nil, errorf(stateProgramLimit, "the statement would read %d bytes, the limit is %d", r.stats.ScannedBytes, most).
			withHint("Restrict it, as in: WHERE time > now() - INTERVAL '1 hour' AND service_name = 'x'. Or raise --sql.max-bytes.")
	}
	r.service.metrics.bytes.Add(float64(r.stats.ScannedBytes))
	for t, parts := range r.selection {
		if !named[t] {
			return nil, warehouse.Errorf(warehouse.Internal, "plan reads %s, which the statement does not name", t)
		}
		files, err := r.masked(ctx, m, t, parts)
		if err != nil {
			return nil, err
		}
		out[t] = files
	}
	return out, nil
}

// selected returns the parts to read.
func (r *running) selected(named map[warehouse.Table]bool) plan.Selection {
	if r.plans == nil {
		return plan.Whole(r.snapshot, r.sess.Tenant, slices.Collect(maps.Keys(named))...)
	}
	return r.plans.Select(r.snapshot, r.sess.Tenant)
}

// fetches is how many sections are fetched at the same time.
const fetches = 8

// files acquires the sections of one table.
func (r *running) files(ctx context.Context, t warehouse.Table, parts []*warehouse.Part) ([]string, error) {
	locals := make([]*cache.Local, len(parts))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(fetches)
	for i, p := range parts {
		g.Go(func() (err error) {
			locals[i], err = r.service.opts.Sections.Acquire(gctx, p, t)
			return err
		})
	}
	err := g.Wait()
	files := make([]string, 0, len(parts))
	for i, l := range locals {
		if l != nil {
			r.locals = append(r.locals, l)
			files = append(files, l.Path)
			r.paths = append(r.paths, l.Path, fmt.Sprintf("%s of object %s", t, parts[i].Object))
		}
	}
	return files, err
}

// free gives everything back. Calling it twice is fine.
func (r *running) free() {
	if r.release != nil {
		r.release()
		r.release = nil
	}
	for _, l := range r.locals {
		l.Release()
	}
	r.locals = nil
	if r.unpin != nil {
		r.unpin()
		r.unpin = nil
	}
}

// fail makes an error one about the client's text, and names objects, not files.
func (r *running) fail(err error) *Error {
	e := r.prepared.source.fail(err, r.text.back)
	if len(r.paths) == 0 || !strings.Contains(e.Message+e.Hint+e.Detail, "/") {
		return e
	}
	scrub := strings.NewReplacer(r.paths...)
	message := scrub.Replace(e.Message)
	if message != e.Message { // the statement is right: what was refused is a file
		e.Kind, e.SQLState, e.Position = warehouse.Corrupt, stateDataCorrupted, 0
	}
	e.Message, e.Hint, e.Detail = message, scrub.Replace(e.Hint), scrub.Replace(e.Detail)
	return e
}
