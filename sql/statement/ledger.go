package statement

import (
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/stackhouse-db/stackhouse/sql/confined"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// A statement whose worker was killed killsAllowed times within killWindow is refused
// for as long: who sends it again and again takes the tenant's workers from its others.
const (
	killsAllowed = 2
	killWindow   = 5 * time.Minute
)

// ledger knows the statements that run, and those that killed their workers, and
// writes down how each ended.
//
// Concurrency: safe for concurrent use.
type ledger struct {
	log   *slog.Logger
	audit bool          // every statement is logged, not only slow and deadly ones
	slow  time.Duration // from which on a statement is slow; 0: none is
	now   func() time.Time

	mu      sync.Mutex // guards what is below
	last    uint64
	running map[uint64]*entry
	kills   map[culprit][]time.Time
}

// culprit is a statement of a tenant, whatever its literals.
type culprit struct {
	tenant      warehouse.Tenant
	fingerprint string
}

// entry is a statement that runs.
type entry struct {
	id     uint64
	who    culprit
	user   string
	pid    int32 // of the session, as clients see it
	shape  string
	since  time.Time
	bytes  int64 // of the sections that it reads
	rows   int64
	ledger *ledger
}

func newLedger(o *Options) *ledger {
	return &ledger{
		log: o.Logger, audit: o.Audit, slow: o.Slow, now: time.Now,
		running: map[uint64]*entry{}, kills: map[culprit][]time.Time{},
	}
}

// begin notes a statement that is about to run.
//
// Errors: one that is refused for what it did before.
func (l *ledger) begin(sess *Session, text string) (*entry, error) {
	shape := shapeOf(text)
	e := &entry{who: culprit{sess.Tenant, fingerprint(shape)}, user: sess.User, pid: sess.PID, shape: shape, since: l.now(), ledger: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if until, refused := l.refusedUntil(e.who, e.since); refused {
		return nil, errorf(stateProgramLimit, "the statement ended its worker %d times within %s and is refused until %s", killsAllowed, killWindow, until.UTC().Format(time.TimeOnly+" UTC")).
			withHint("It needs more memory, space or time than a statement has. Ask for a shorter time range, fewer columns or fewer groups.")
	}
	l.last++
	e.id = l.last
	l.running[e.id] = e
	return e, nil
}

// refusedUntil reports until when a statement is refused. The caller holds mu.
func (l *ledger) refusedUntil(who culprit, now time.Time) (time.Time, bool) {
	recent := slices.DeleteFunc(l.kills[who], func(at time.Time) bool { return now.Sub(at) >= killWindow })
	if len(recent) == 0 {
		delete(l.kills, who)
		return time.Time{}, false
	}
	l.kills[who] = recent
	if len(recent) < killsAllowed {
		return time.Time{}, false
	}
	return recent[len(recent)-1].Add(killWindow), true
}

// end notes how a statement ended: err is nil when it was read to its end or closed.
func (e *entry) end(err error, stats *Stats) {
	l := e.ledger
	now := l.now()
	var killed *confined.Killed
	isKilled := errors.As(err, &killed)
	l.mu.Lock()
	delete(l.running, e.id)
	if isKilled {
		l.kills[e.who] = append(l.kills[e.who], now)
		l.forget(now)
	}
	l.mu.Unlock()

	took := now.Sub(e.since)
	outcome := "ok"
	var se *Error
	if errors.As(err, &se) {
		outcome = se.SQLState
	}
	record := []any{
		"tenant", e.who.tenant, "user", e.user, "fingerprint", e.who.fingerprint, "outcome", outcome,
		"rows", stats.Rows, "bytes", stats.ScannedBytes, "dur", took,
	}
	switch {
	case isKilled:
		l.log.Warn("statement ended its worker", append(record, "shortage", string(killed.Shortage), "statement", e.shape, "err", killed)...)
	case l.slow > 0 && took >= l.slow:
		l.log.Warn("slow statement", append(record, "statement", e.shape)...)
	case l.audit:
		l.log.Info("statement", record...)
	}
}

// mostCulprits bounds how many statements are remembered as deadly.
const mostCulprits = 10_000

// forget drops what is too old to count. The caller holds mu.
func (l *ledger) forget(now time.Time) {
	if len(l.kills) <= mostCulprits {
		return
	}
	for who, times := range l.kills {
		if now.Sub(times[len(times)-1]) >= killWindow || len(l.kills) > mostCulprits {
			delete(l.kills, who)
		}
	}
}

// progress notes what a running statement has read and given so far.
func (e *entry) progress(stats *Stats) {
	e.ledger.mu.Lock()
	defer e.ledger.mu.Unlock()
	e.bytes, e.rows = stats.ScannedBytes, stats.Rows
}

// list returns the tenant's running statements, the oldest first.
func (l *ledger) list(t warehouse.Tenant) (out []entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.running {
		if e.who.tenant == t {
			out = append(out, *e)
		}
	}
	slices.SortFunc(out, func(a, b entry) int { return int(a.id) - int(b.id) }) //nolint:gosec // differences of neighbours
	return out
}

// fingerprint is a short name for a statement's shape.
func fingerprint(shape string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(shape))
	return fmt.Sprintf("%016x", h.Sum64())
}
