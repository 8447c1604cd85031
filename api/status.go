package api

import (
	"cmp"
	"context"
	_ "embed" // the page
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

//go:embed page/status.html
var statusHTML string

var statusTemplate = template.Must(template.New("status").Parse(statusHTML))

// Status is how the profiles of all tenants are stored and merged.
type Status struct {
	Levels []LevelStatus // those that have parts, ascending
	Jobs   []JobStatus   // that are not done
	Oldest time.Time     // when the oldest part of level 0 was made; zero without any

	Scrub *ScrubStatus // nil if nothing is verified

	// Bytes of segments and of what compaction made of them, both stored by this
	// process since its start.
	IngestedBytes, CompactedBytes int64

	// Deletions whose rows wait to be removed from parts, and those whose objects are not
	// deleted yet.
	Hidden, Removed int
}

// ScrubStatus is what is known of stored bytes that were verified again.
type ScrubStatus struct {
	Damaged      int           // objects
	DamagedBytes int64         // of what is damaged in them
	Damage       []string      // the first of it, in words
	LastPass     time.Time     // when everything had been verified; zero if never
	Oldest       time.Duration // since the object was verified or made that waits the longest
}

// LevelStatus is what there is of one level.
type LevelStatus struct {
	Level int
	Parts int
	Hours int // of tenants
	Bytes int64
}

// JobStatus is a compaction job.
type JobStatus struct {
	ID       string
	Tenant   warehouse.Tenant
	Hour     warehouse.Hour
	Level    int // of what is made
	Inputs   int
	Bytes    int64 // of the inputs
	State    string
	Worker   string // "" unless it is running
	Attempts int
	Failures int
	Reason   string // of the last failure, "" without one
	Since    time.Time
	FailedAt time.Time // zero without a failure
}

// The states of jobs, in the order in which the page shows them.
const (
	JobSetAside = "set aside" // it failed too often and waits for an operator
	JobRunning  = "running"
	JobWaiting  = "waiting"
)

var jobOrder = []string{JobSetAside, JobRunning, JobWaiting}

// mostJobs is how many jobs the page lists.
const mostJobs = 100

// status shows how far merging is.
func (s *Server) status(x *exchange, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), pageTimeout)
	defer cancel()
	return render(x, http.StatusOK, statusTemplate, s.statusFor(ctx, time.Now()))
}

// statusPage is what the page says.
type statusPage struct {
	CSS      template.CSS
	Info     Info
	NotReady string
	Warnings []string
	Problem  string // why the rest is not known, or empty
	Status   *statusView
}

func (s *Server) statusFor(ctx context.Context, now time.Time) statusPage {
	d := statusPage{CSS: template.CSS(pageCSS), Info: s.info(), Warnings: s.warn()}
	if err := s.readiness(ctx); err != nil {
		d.NotReady = err.Error()
	}
	if s.storage == nil {
		d.Problem = "this process does not know"
		return d
	}
	status, err := s.storage(ctx)
	if err != nil {
		d.Problem = err.Error()
		return d
	}
	d.Status = newStatusView(status, now)
	return d
}

// statusView is a Status as text.
type statusView struct {
	Levels        []levelView
	Unmerged      string // size of what is not final
	Segments      string
	Oldest        string
	Waiting       int
	Running       int
	SetAside      int
	Amplification string // bytes stored for each byte of segments
	Deletions     string // that are not done
	Ingested      string
	Compacted     string
	Jobs          []jobView
	More          int // jobs that are not listed
	Damage        []string
	MoreDamage    int    // objects that are not listed
	Damaged       string // objects and bytes; "none"
	Verified      string // when everything was
}

type levelView struct{ Level, Name, Parts, Hours, Bytes string }

type jobView struct {
	JobStatus
	HourText, InputsText, BytesText, Age, FailedText string
}

func newStatusView(s *Status, now time.Time) *statusView {
	v := &statusView{
		Segments: "0", Oldest: "–", Amplification: "–", Deletions: countText(int64(s.Hidden + s.Removed)),
		Ingested: bytesText(s.IngestedBytes), Compacted: bytesText(s.CompactedBytes),
	}
	var unmerged int64
	for _, l := range s.Levels {
		if l.Level < warehouse.LevelFinal {
			unmerged += l.Bytes
		}
		if l.Level == warehouse.LevelSegment {
			v.Segments = countText(int64(l.Parts))
		}
		v.Levels = append(v.Levels, levelView{fmt.Sprint(l.Level), levelName(l.Level), countText(int64(l.Parts)), countText(int64(l.Hours)), bytesText(l.Bytes)})
	}
	v.Unmerged = bytesText(unmerged)
	if !s.Oldest.IsZero() {
		v.Oldest = ageText(now.Sub(s.Oldest))
	}
	if s.IngestedBytes > 0 {
		v.Amplification = fmt.Sprintf("%.2f", float64(s.IngestedBytes+s.CompactedBytes)/float64(s.IngestedBytes))
	}
	v.addJobs(s.Jobs, now)
	v.addScrub(s.Scrub, now)
	return v
}

// addScrub says what is known of stored bytes.
func (v *statusView) addScrub(s *ScrubStatus, now time.Time) {
	v.Damaged, v.Verified = "–", "–"
	if s == nil {
		return
	}
	v.Damaged, v.Verified = "none", "not yet"
	if s.Damaged > 0 {
		v.Damaged = fmt.Sprintf("%s, %s", countText(int64(s.Damaged)), bytesText(s.DamagedBytes))
	}
	if !s.LastPass.IsZero() {
		v.Verified = ageText(now.Sub(s.LastPass)) + " ago"
	}
	if s.Oldest > 0 {
		v.Verified += ", oldest " + ageText(s.Oldest)
	}
	v.Damage = s.Damage
	v.MoreDamage = max(s.Damaged-len(s.Damage), 0)
}

// addJobs counts the jobs and lists the first of them.
func (v *statusView) addJobs(jobs []JobStatus, now time.Time) {
	jobs = slices.Clone(jobs)
	slices.SortStableFunc(jobs, func(a, b JobStatus) int {
		return cmp.Compare(slices.Index(jobOrder, a.State), slices.Index(jobOrder, b.State))
	})
	for i := range jobs {
		j := jobView{JobStatus: jobs[i]}
		switch j.State {
		case JobSetAside:
			v.SetAside++
		case JobRunning:
			v.Running++
		default:
			v.Waiting++
		}
		if i >= mostJobs {
			v.More++
			continue
		}
		j.HourText = j.Hour.Start().Time().Format("2006-01-02 15:00")
		j.InputsText, j.BytesText, j.Age = countText(int64(j.Inputs)), bytesText(j.Bytes), ageText(now.Sub(j.Since))
		if !j.FailedAt.IsZero() {
			j.FailedText = timeText(warehouse.MicrosOf(j.FailedAt))
		}
		v.Jobs = append(v.Jobs, j)
	}
}

func levelName(level int) string {
	switch level {
	case warehouse.LevelSegment:
		return "segments"
	case warehouse.LevelFinal:
		return "final blocks"
	}
	return "blocks"
}

// ageText is a duration in its greatest unit, and the next one.
func ageText(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 2*day:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", d/day)
}
