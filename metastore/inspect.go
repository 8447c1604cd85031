package metastore

import (
	"strconv"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// JobInfo is a compaction job as an operator sees it.
type JobInfo struct {
	ID     warehouse.ObjectID
	Tenant warehouse.Tenant
	Hour   warehouse.Hour
	Level  uint8 // of what is made
	Inputs []warehouse.ObjectID
	Bytes  int64            // of the inputs
	Since  warehouse.Micros // when it was planned

	Token    uint64           // of the assignment; 0: it waits for a worker
	Worker   string           // who has it; empty if nobody
	LeaseEnd warehouse.Micros // 0 if nobody has it
	Attempts int

	Failures int
	SetAside bool             // it failed too often, and waits for ReleaseJobs
	Reason   string           // of the last failure
	FailedAt warehouse.Micros // when that was; 0 if never
}

// Jobs returns the jobs that wait for another attempt, run or were set aside, in
// order of planning. What is not yet planned is in [Backlog].
func (s *Snapshot) Jobs() []*JobInfo {
	jobs := s.view.Jobs()
	out := make([]*JobInfo, len(jobs))
	for i, j := range jobs {
		out[i] = &JobInfo{
			ID: j.ID, Tenant: j.Tenant, Hour: j.Hour, Level: j.Level, Inputs: j.Inputs, Bytes: j.Bytes, Since: j.Since,
			Token: j.Token, Worker: j.Worker, LeaseEnd: s.view.LeaseEnd(j), Attempts: j.Attempts,
			Failures: j.Failures, SetAside: j.SetAside, Reason: j.Reason, FailedAt: j.FailedAt,
		}
	}
	return out
}

// IsLive reports whether a part is live in the newest state that this node knows.
func (m *Metastore) IsLive(p *warehouse.Part) bool {
	for _, o := range m.fsm.view.Load().Parts(p.Tenant, p.Range) {
		if o.Object == p.Object && o.Hour == p.Hour {
			return true
		}
	}
	return false
}

// TombstoneInfo is a dead object that was not deleted yet.
type TombstoneInfo struct {
	Object warehouse.ObjectID
	Level  uint8
	Tenant warehouse.Tenant // of a block; of a segment, that of the part that went last
	Hour   warehouse.Hour   // likewise
	Bytes  int64            // of that part
	At     warehouse.Micros // when it died
}

// Tombstones returns the dead objects that were not deleted yet, in the order in
// which they died.
func (s *Snapshot) Tombstones() []TombstoneInfo {
	all := s.view.Tombstones()
	out := make([]TombstoneInfo, len(all))
	for i, t := range all {
		p := &t.Part
		out[i] = TombstoneInfo{Object: p.Object, Level: p.Level, Tenant: p.Tenant, Hour: p.Hour, Bytes: p.SizeBytes(), At: t.At}
	}
	return out
}

// Totals counts what is live.
type Totals = state.Totals

// Totals returns how much is live.
func (s *Snapshot) Totals() Totals { return s.view.Totals() }

// LevelTotals is what is live of a level.
type LevelTotals struct {
	Parts int
	Bytes int64 // of all sections
}

// Backlog counts what waits to be merged.
type Backlog struct {
	Planned  int // jobs that are due and that no worker has asked for yet
	Waiting  int // jobs that failed, or whose worker went away, and will be tried again
	Running  int // jobs that a worker has
	SetAside int // jobs that failed too often

	Levels [warehouse.LevelFinal]LevelTotals // what is below the final level
	Oldest warehouse.Micros                  // when the oldest segment was made; 0 without any
}

// Parts returns the number of parts below the final level.
func (b *Backlog) Parts() (n int) {
	for _, l := range b.Levels {
		n += l.Parts
	}
	return n
}

// Bytes returns the size of what is below the final level.
func (b *Backlog) Bytes() (n int64) {
	for _, l := range b.Levels {
		n += l.Bytes
	}
	return n
}

// OldestAge returns the age of the oldest segment, 0 without any.
func (b *Backlog) OldestAge(now time.Time) time.Duration {
	if b.Oldest == 0 {
		return 0
	}
	return max(now.Sub(b.Oldest.Time()), 0)
}

// Backlog counts what waits to be merged in the newest state that this node knows.
func (m *Metastore) Backlog() Backlog {
	v := m.fsm.view.Load()
	b := Backlog{Planned: v.CountPlans(&m.opts.Policy, m.now())}
	for _, j := range v.Jobs() {
		switch {
		case j.SetAside:
			b.SetAside++
		case j.Token != 0:
			b.Running++
		default:
			b.Waiting++
		}
	}
	v.EachLoose(func(p *warehouse.Part) {
		l := &b.Levels[p.Level]
		l.Parts++
		l.Bytes += p.SizeBytes()
		if made := warehouse.Micros(p.Object.Time()) * 1000; p.Level == warehouse.LevelSegment && (b.Oldest == 0 || made < b.Oldest) {
			b.Oldest = made
		}
	})
	return b
}

func levelName(level uint8) string { return strconv.Itoa(int(level)) }
