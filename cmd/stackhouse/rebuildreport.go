package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore/rebuild"
)

// progress returns what tells on standard error how far a long command is.
func (p program) progress() func(step string, done, all int) {
	last := time.Now()
	return func(step string, done, all int) {
		now := time.Now()
		if now.Sub(last) < progressEvery {
			return
		}
		last = now
		if all > 0 {
			fmt.Fprintf(p.stderr, "stackhouse: %s %d of %s\n", step, done, plural(all, "object"))
			return
		}
		fmt.Fprintf(p.stderr, "stackhouse: %s %s\n", step, plural(done, "file"))
	}
}

// reportRebuild prints what a rebuild found.
func (p program) reportRebuild(r *rebuild.Report, list bool) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(p.stdout, "%-9s "+format+"\n", append([]any{name}, args...)...)
	}
	for _, text := range r.DamagedManifests {
		line("damaged", "%s", text)
	}
	if r.Manifest == "" {
		line("manifest", "none")
	} else {
		line("manifest", "%s, written %s", r.Manifest, r.ManifestAt)
	}
	line("bucket", "%s, %s", plural(r.Files, "file"), bytesText(r.Bytes))
	line("known", "%s of the manifest; %s of it are gone, merged or retired since", plural(r.Known, "object"), plural(r.Gone, "part"))
	if r.Dead > 0 {
		line("dead", "%s of the manifest that are still there, and will be deleted", plural(r.Dead, "dead object"))
	}
	for _, group := range []struct {
		name  string
		notes []rebuild.Note
		short bool // always named
	}{{"taken", r.Taken, false}, {"cut", r.Cut, true}, {"left", r.Left, false}, {"damaged", r.Damaged, true}, {"lost", r.Lost, true}} {
		for _, c := range rebuild.Counts(group.notes) {
			line(group.name, "%s: %s", plural(c.N, "object"), c.Why)
		}
		if group.short || list {
			p.notes(group.name, group.notes)
		}
	}
	line("retired", "%s", plural(r.Retire, "part"))
	line("index", "%d: %s, %s in %s", r.Index, plural(r.Totals.Parts, "part"), bytesText(r.Totals.Bytes), plural(r.Totals.Objects, "object"))
	line("guard", "objects from before %s that are not in the index are left alone", r.Guard.UTC().Format(time.RFC3339))
	line("took", "%s", cmp.Or(r.Took.Round(time.Millisecond), r.Took))
}

// notes prints a line for each object.
func (p program) notes(what string, notes []rebuild.Note) {
	for _, n := range notes {
		fmt.Fprintf(p.stdout, "%-9s   %s: %s\n", what, n.Name, n.Why)
	}
}
