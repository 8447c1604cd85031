package metastore

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

const (
	// A step of the wall clock by more than clockStep makes retention wait for
	// stepPause: a clock that jumps ahead by mistake must not delete what is not
	// old, and whoever set it has the time to set it right.
	clockStep = 5 * time.Minute
	stepPause = time.Hour
)

func (m *Metastore) retainLoop(ctx context.Context) {
	var watch stepWatch
	start := time.Now()
	m.every(ctx, m.opts.tuning.retainEvery, func(ctx context.Context) error {
		now := m.opts.Clock()
		if stepped := watch.observe(now, time.Since(start)); stepped != 0 {
			m.opts.Logger.Warn("the clock was set; retention waits", "step", stepped, "dur", stepPause)
		}
		if watch.paused(time.Since(start)) {
			return nil
		}
		return m.retain(ctx, now)
	})
}

// retain drops the hours that are older than their tenant's retention, and deletes what
// rules about services and types do not keep as long.
func (m *Metastore) retain(ctx context.Context, now time.Time) error {
	if err := m.expire(ctx, now); err != nil {
		return err
	}
	for _, d := range m.fsm.view.Load().Overdue(warehouse.MicrosOf(now)) {
		d.ID = ulid.MustNew(ulid.Timestamp(now), ulid.DefaultEntropy())
		answer, err := m.propose(ctx, state.Delete{Deletion: d})
		if err != nil {
			return err
		}
		if r := answer.(state.DeleteResult); r.Outcome == state.Deleted {
			m.metrics.deletions.WithLabelValues(d.Reason.String()).Inc()
			m.opts.Logger.Info("retention deletes", "tenant", d.Tenant, "services", len(d.Services), "until", d.To, "dropped", r.Dropped, "masked", r.Masked)
		}
	}
	return nil
}

func (m *Metastore) expire(ctx context.Context, now time.Time) error {
	if !m.fsm.view.Load().HasExpired(warehouse.MicrosOf(now)) {
		return nil
	}
	answer, err := m.propose(ctx, state.Expire{})
	if err != nil {
		return err
	}
	dropped := answer.(int)
	m.metrics.expiredParts.Add(float64(dropped))
	m.opts.Logger.Info("retention dropped data", "parts", dropped)
	return nil
}

// stepWatch notices when the wall clock does not run as the steady one does.
type stepWatch struct {
	wall   time.Time
	steady time.Duration
	until  time.Duration // of the steady clock: the end of the pause
}

// observe compares the clocks with the last time and returns the step, 0 if
// there was none worth mentioning.
func (w *stepWatch) observe(wall time.Time, steady time.Duration) time.Duration {
	wall = wall.Round(0) // drops the steady reading
	last := *w
	w.wall, w.steady = wall, steady
	if last.wall.IsZero() {
		return 0
	}
	step := wall.Sub(last.wall) - (steady - last.steady)
	if step.Abs() <= clockStep {
		return 0
	}
	w.until = steady + stepPause
	return step
}

func (w *stepWatch) paused(steady time.Duration) bool { return steady < w.until }
