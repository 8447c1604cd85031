package warehouse

import (
	"fmt"
	"strings"
)

// Finding is one promise of the format that stored bytes break. What can be known
// of its place is set.
type Finding struct {
	Check  string // name of the promise, as "samples.value": part of what programs rely on
	Object string // the file or object
	Table  string // empty if it is of no table
	Row    int64  // of the table, from 0; NoRow if it is of none
	Column string // empty if it is of none
	Text   string // what was found and what was expected
}

// NoRow is the row of a finding that is of no row.
const NoRow int64 = -1

// String returns the finding in one line, without the object.
func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(f.Check)
	b.WriteString(": ")
	if f.Table != "" {
		b.WriteString(f.Table)
		if f.Row != NoRow {
			fmt.Fprintf(&b, ", row %d", f.Row)
		}
		if f.Column != "" {
			b.WriteString(", column ")
			b.WriteString(f.Column)
		}
		b.WriteString(": ")
	}
	b.WriteString(f.Text)
	return b.String()
}

// MaxFindings is how many findings of one name a Report keeps; it counts the rest.
const MaxFindings = 10

// Report is what a check found. The zero value has found nothing.
//
// Concurrency: one goroutine at a time.
type Report struct {
	Findings []Finding      // at most MaxFindings of each name, in the order they were found
	Found    map[string]int // findings by name, also those that are not kept
	Checks   int64          // comparisons that were made
	Rows     int64          // rows that were read
	Skipped  map[string]int // by name: what could not be checked, and how often
}

// Failed reports whether anything was found.
func (r *Report) Failed() bool { return len(r.Found) > 0 }

// Total returns the number of findings.
func (r *Report) Total() (n int) {
	for _, k := range r.Found {
		n += k
	}
	return n
}

// Add adds a finding.
func (r *Report) Add(f Finding) {
	if r.Found == nil {
		r.Found = map[string]int{}
	}
	if r.Found[f.Check]++; r.Found[f.Check] <= MaxFindings {
		r.Findings = append(r.Findings, f)
	}
}

// Skip notes that something could not be checked.
func (r *Report) Skip(name string) {
	if r.Skipped == nil {
		r.Skipped = map[string]int{}
	}
	r.Skipped[name]++
}
