package rebuild

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Report is what a rebuild found and did.
type Report struct {
	Manifest         string           // name of the one that was read; empty: none
	ManifestIndex    uint64           // 0: none
	ManifestAt       warehouse.Micros // when it was written; 0: none
	DamagedManifests []string         // why newer ones were not read

	Files   int   // in the bucket, under the folders of segments and blocks
	Bytes   int64 // of them, as far as the listing says
	Known   int   // live objects of the manifest that are there
	Dead    int   // objects that the manifest knows as dead and that are still there
	Taken   []Note
	Cut     []Note // segments of which a part was taken, as a new segment
	Left    []Note // objects that are not taken
	Damaged []Note // live objects that are damaged: they stay live, and answers name them
	Lost    []Note // what cannot be explained; empty unless the loss was accepted, or Run failed for it
	Gone    int    // parts of the manifest that are gone for a reason: merged or retired
	Retire  int    // parts that retention dropped

	Totals state.Totals // of the state that was made
	Index  uint64       // of that state
	Guard  time.Time    // objects that are older and unknown are not swept
	Took   time.Duration
}

// Note is an object with what is to be said of it.
type Note struct {
	Name string // in the bucket
	Why  string
}

// Counts groups notes by their reason, the most frequent first.
func Counts(notes []Note) []Count {
	n := map[string]int{}
	for _, x := range notes {
		n[x.Why]++
	}
	counts := make([]Count, 0, len(n))
	for why, times := range n {
		counts = append(counts, Count{why, times})
	}
	slices.SortFunc(counts, func(a, b Count) int { return cmp.Or(cmp.Compare(b.N, a.N), strings.Compare(a.Why, b.Why)) })
	return counts
}

// Count is how often something was said.
type Count struct {
	Why string
	N   int
}
