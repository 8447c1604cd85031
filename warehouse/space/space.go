// Package space watches how much room file systems have, so that nothing new is
// accepted while what is stored already needs the rest.
//
// A disk is low below one threshold, which is only said, and full below another: then
// [Guard.Err] refuses until there is clearly more than that again. What frees space,
// and what must go on, asks [Guard.Room] for the part of the rest that it may take.
//
// The package measures and judges. It deletes nothing, and stops nobody by itself.
package space

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// State is how full a disk is. The numbers are those of the metric.
type State uint8

// The states.
const (
	OK   State = 0
	Low  State = 1
	Full State = 2
)

// String returns the state in a word.
func (s State) String() string { return [...]string{"ok", "low", "full", "?"}[s&3] }

// Threshold returns, for the size of a file system in bytes, how many bytes are to be
// free.
type Threshold func(total int64) int64

// Usage is the room on a file system, in bytes.
type Usage struct {
	Free  int64 // for who is not root
	Total int64
	ID    uint64 // of the file system; 0 if not known
}

// Disk is a folder whose file system is watched.
type Disk struct {
	Name string // for people and metrics: "bucket"
	Path string
}

// Status is what is known of a disk.
type Status struct {
	Name  string
	State State
	Usage
	Stop, Warn int64 // the thresholds, in bytes
}

// String says how full the disk is: "bucket has 1.2 GiB of 100 GiB free (1.2 %)".
func (s *Status) String() string {
	percent := 0.0
	if s.Total > 0 {
		percent = 100 * float64(s.Free) / float64(s.Total)
	}
	return fmt.Sprintf("the disk of the %s has %s of %s free (%s %%)", s.Name, bytesText(s.Free), bytesText(s.Total), strconv.FormatFloat(percent, 'f', 1, 64))
}

// bytesText returns a number of bytes for people, rounded.
func bytesText(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	v, i := float64(n), 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d %s", n, units[i])
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}

// Options configures a [Guard]. Disks, Stop and Warn are required.
type Options struct {
	Disks []Disk // folders of one file system are watched once, under the first name

	Stop, Warn Threshold // below which a disk is full, and low

	// Every is the time between two looks while all is well; on a disk that is low it
	// is a tenth of that. Zero means 2 s.
	Every time.Duration

	// Usage measures. Nil asks the system.
	Usage func(path string) (Usage, error)

	Logger   *slog.Logger          // nil discards
	Registry prometheus.Registerer // nil keeps metrics unregistered
}

// Guard watches disks.
//
// Concurrency: all methods may be called at the same time; Run once.
type Guard struct {
	opts    Options
	metrics *metrics

	looking sync.Mutex      // held while disks are measured, which may hang
	failed  map[string]bool // disks that could not be measured, which was logged; under looking

	mu    sync.Mutex
	disks []Status
}

// New measures the disks once and returns their guard.
func New(o Options) (*Guard, error) {
	if len(o.Disks) == 0 || o.Stop == nil || o.Warn == nil || o.Every < 0 {
		return nil, warehouse.Errorf(warehouse.Invalid, "new disk guard: disks, two thresholds and a time that is not negative are needed")
	}
	o.Every = cmp.Or(o.Every, 2*time.Second)
	if o.Usage == nil {
		o.Usage = usageOf
	}
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	g := &Guard{opts: o, metrics: newMetrics(o.Registry), failed: map[string]bool{}}
	g.Look()
	return g, nil
}

// Run measures until ctx is done. It does not fail: a disk that cannot be measured
// keeps the state that it had.
func (g *Guard) Run(ctx context.Context) error {
	for {
		every := g.opts.Every
		if g.worst() > OK {
			every /= 10
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
			g.Look()
		}
	}
}

func (g *Guard) worst() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	worst := OK
	for i := range g.disks {
		worst = max(worst, g.disks[i].State)
	}
	return worst
}

// Look measures now.
func (g *Guard) Look() {
	g.looking.Lock()
	defer g.looking.Unlock()
	seen := map[uint64]bool{}
	for _, d := range g.opts.Disks {
		u, err := g.opts.Usage(d.Path)
		if err != nil {
			if !g.failed[d.Name] {
				g.opts.Logger.Warn("a disk cannot be measured", "disk", d.Name, "path", d.Path, "err", err)
			}
			g.failed[d.Name] = true
			continue
		}
		g.failed[d.Name] = false
		if u.ID != 0 && seen[u.ID] {
			continue
		}
		seen[u.ID] = true
		g.judge(d.Name, u)
	}
}

// judge sets the state of a disk.
func (g *Guard) judge(name string, u Usage) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.IndexFunc(g.disks, func(s Status) bool { return s.Name == name })
	if i < 0 {
		i = len(g.disks)
		g.disks = append(g.disks, Status{Name: name})
	}
	s := &g.disks[i]
	before := s.State
	s.Usage, s.Stop, s.Warn = u, g.opts.Stop(u.Total), g.opts.Warn(u.Total)
	s.State = stateOf(before, u.Free, s.Stop, s.Warn)
	g.metrics.observe(s)
	if s.State == before {
		return
	}
	switch log := g.opts.Logger.With("disk", name, "free", u.Free, "total", u.Total); s.State {
	case Full:
		log.Error("a disk is full: pushes are refused", "below", s.Stop)
	case Low:
		log.Warn("a disk is low", "below", s.Warn, "refused", "pushes, below "+bytesText(s.Stop))
	default:
		log.Info("a disk has room again")
	}
}

// stateOf returns the state that follows from the one before and what is free. To
// leave a state takes an eighth more than its threshold, so that what is freed and
// used up again by the next push makes no difference.
func stateOf(before State, free, stop, warn int64) State {
	if before == Full {
		stop += stop / 8
	}
	if before >= Low {
		warn += warn / 8
	}
	switch {
	case free < stop:
		return Full
	case free < warn:
		return Low
	}
	return OK
}

// Status returns what is known of the disks.
func (g *Guard) Status() []Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.disks)
}

// Err returns why nothing new may be stored: an error of kind Limit and reason
// [warehouse.ReasonDiskFull], or nil.
func (g *Guard) Err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.disks {
		if s := &g.disks[i]; s.State == Full {
			g.metrics.refused.Inc()
			return warehouse.Refuse(warehouse.Limit, warehouse.ReasonDiskFull,
				"no profiles are accepted: %s, and %s are kept for what is stored already", s, bytesText(s.Stop))
		}
	}
	return nil
}

// Room returns an Unavailable error unless n bytes can be written to a disk, by its
// name, while half of what stops pushes stays free: that is for the log, without which
// nothing can be deleted either. It measures anew.
func (g *Guard) Room(name string, n int64) error {
	g.Look()
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.disks {
		s := &g.disks[i]
		if isThis := s.Name == name || len(g.disks) == 1; isThis && s.Free-n < s.Stop/2 {
			return warehouse.Errorf(warehouse.Unavailable, "no room for %s: %s, and %s stay free", bytesText(n), s, bytesText(s.Stop/2))
		}
	}
	return nil
}

// Warnings returns a sentence for each disk that is low or full.
func (g *Guard) Warnings() (out []string) {
	for _, s := range g.Status() {
		switch s.State {
		case Full:
			out = append(out, fmt.Sprintf("%s: pushes are refused until there are %s", &s, bytesText(s.Stop+s.Stop/8)))
		case Low:
			out = append(out, fmt.Sprintf("%s: pushes will be refused below %s", &s, bytesText(s.Stop)))
		}
	}
	return out
}
