package compactor

import (
	"cmp"
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/failpoint"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// Jobs is the planner; see metastore.Metastore.
type Jobs interface {
	TakeJobs(ctx context.Context, worker string, most int) ([]*warehouse.Job, error)
	RenewJobs(ctx context.Context, worker string, jobs []warehouse.JobRef) (lost []warehouse.JobRef, err error)
	FinishJob(ctx context.Context, job warehouse.JobRef, outputs []warehouse.Part, removed []warehouse.Removed) error
	FailJob(ctx context.Context, job warehouse.JobRef, reason string) error
}

// Options configures a Worker. Jobs, Sections and Bucket are required.
type Options struct {
	Jobs     Jobs
	Sections Sections
	Bucket   object.Bucket

	// Name tells workers apart; two that run at the same time have different ones.
	Name string

	// Parallel is the number of jobs at a time. Default: half of the processors,
	// at least one.
	Parallel int

	// Poll is the time between two looks for work. Default 500 ms.
	Poll time.Duration

	// Renew is the time between two renewals of leases. Default 15 s.
	Renew time.Duration

	// Room returns nil if a job may write so many bytes to the bucket. Its error says
	// why not, and of kind Unavailable that the job waits until it may. Nil means
	// always.
	Room func(bytes int64) error

	// RetryPause is how long a job waits when the bucket or the planner was away,
	// which is nobody's failure. Default 10 s.
	RetryPause time.Duration

	// StopTimeout bounds what is done after the context has ended. Default 2 s.
	StopTimeout time.Duration

	Clock      func() time.Time      // nil means time.Now
	Failpoints *failpoint.Points     // nil has none
	Logger     *slog.Logger          // nil discards
	Registry   prometheus.Registerer // nil keeps metrics unregistered
}

// Worker does compaction jobs.
type Worker struct {
	opts    Options
	metrics *metrics

	mu   sync.Mutex
	jobs map[warehouse.JobRef]*running
	wake chan struct{} // a job has ended
}

// New returns a Worker; Run starts it.
func New(o Options) (*Worker, error) {
	if o.Jobs == nil || o.Sections == nil || o.Bucket == nil {
		return nil, warehouse.Errorf(warehouse.Invalid, "new compactor: jobs, sections and a bucket are needed")
	}
	o.Name = cmp.Or(o.Name, "compactor")
	if o.Parallel <= 0 {
		o.Parallel = max(1, runtime.GOMAXPROCS(0)/2)
	}
	o.Poll = cmp.Or(o.Poll, 500*time.Millisecond)
	o.Renew = cmp.Or(o.Renew, 15*time.Second)
	o.RetryPause = cmp.Or(o.RetryPause, 10*time.Second)
	o.StopTimeout = cmp.Or(o.StopTimeout, 2*time.Second)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return &Worker{opts: o, metrics: newMetrics(o.Registry), jobs: map[warehouse.JobRef]*running{}, wake: make(chan struct{}, 1)}, nil
}

// Run does jobs until ctx is done, and returns after the last of its goroutines.
// Jobs that are interrupted are given back. It does not fail: what goes wrong is
// logged and tried again.
func (w *Worker) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	poll, renew := time.NewTicker(w.opts.Poll), time.NewTicker(w.opts.Renew)
	defer poll.Stop()
	defer renew.Stop()
	isFresh := false // what a worker of this name had before is free again
	for {
		if !isFresh {
			isFresh = w.renew(ctx)
		}
		if isFresh {
			w.take(ctx, &wg)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
		case <-w.wake:
		case <-renew.C:
			w.renew(ctx)
		}
	}
}

// take starts as many jobs as there is room for.
func (w *Worker) take(ctx context.Context, wg *sync.WaitGroup) {
	w.mu.Lock()
	room := w.opts.Parallel - len(w.jobs)
	w.mu.Unlock()
	if room <= 0 {
		return
	}
	jobs, err := w.opts.Jobs.TakeJobs(ctx, w.opts.Name, room)
	if err != nil {
		w.complain(ctx, "ask for jobs", err)
		return
	}
	for _, job := range jobs {
		jctx, cancel := context.WithCancelCause(ctx)
		j := &running{Job: job, cancel: cancel, began: w.opts.Clock()}
		w.mu.Lock()
		w.jobs[job.JobRef] = j
		w.mu.Unlock()
		wg.Go(func() {
			defer cancel(nil)
			w.do(jctx, j)
			w.mu.Lock()
			delete(w.jobs, job.JobRef)
			w.mu.Unlock()
			select {
			case w.wake <- struct{}{}:
			default:
			}
		})
	}
}

// renew extends the leases of the running jobs, and ends those that are lost. It
// reports whether it got an answer.
func (w *Worker) renew(ctx context.Context) bool {
	w.mu.Lock()
	refs := make([]warehouse.JobRef, 0, len(w.jobs))
	for ref := range w.jobs {
		refs = append(refs, ref)
	}
	w.mu.Unlock()
	lost, err := w.opts.Jobs.RenewJobs(ctx, w.opts.Name, refs)
	if err != nil {
		w.complain(ctx, "renew leases", err)
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ref := range lost {
		if j := w.jobs[ref]; j != nil {
			j.cancel(warehouse.Errorf(warehouse.Canceled, "%s: its lease is over", j))
		}
	}
	return true
}

// complain logs an error, unless the worker stops or there is no leader, as at each
// start.
func (w *Worker) complain(ctx context.Context, what string, err error) {
	if ctx.Err() == nil && warehouse.KindOf(err) != warehouse.Unavailable {
		w.opts.Logger.Warn("the planner refused", "call", what, "err", err)
	}
}
