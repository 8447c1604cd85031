package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

type metastoreDumpCmd struct {
	dataDirFlag
	filterFlags
	JSON bool `name:"json" option:"" help:"Print one JSON object."`
}

// dumpMetastore prints what an index holds. What is damaged is told on standard
// error, and the rest is printed.
func (p program) dumpMetastore(ctx context.Context, cmd *metastoreDumpCmd) int {
	if err := cmd.validate(); err != nil {
		return p.fail(exitUsage, err)
	}
	o, err := inspectMetastore(ctx, cmd.DataDir)
	if err != nil {
		return p.fail(exitError, err)
	}
	if cmd.JSON {
		if err := printJSON(p.stdout, newIndexView(o, &cmd.filterFlags)); err != nil {
			return p.fail(exitError, err)
		}
	} else {
		writeIndex(p.stdout, o, &cmd.filterFlags)
	}
	if !o.Report.Failed() {
		return exitOK
	}
	fmt.Fprintf(p.stderr, "stackhouse: %s of damage in %s:\n", plural(o.Report.Total(), "finding"), plainText(o.Path))
	printFindings(p.stderr, &o.Report, true)
	return exitError
}

// keepText returns a retention for people.
func keepText(d time.Duration) string {
	switch d {
	case state.InheritRetention:
		return "default"
	case 0:
		return "for ever"
	}
	return period(d).String()
}

// servicesOf returns the names of a part's services.
func servicesOf(p *warehouse.Part) []string {
	names := []string{}
	for i := range p.Datasets {
		names = append(names, p.Datasets[i].Service)
	}
	return names
}

// servicesText returns them for people, at most three.
func servicesText(names []string) string {
	const most = 3
	var shown []string
	for _, n := range names[:min(most, len(names))] {
		shown = append(shown, plainText(n))
	}
	if more := len(names) - most; more > 0 {
		shown = append(shown, fmt.Sprintf("and %d more", more))
	}
	return dash(strings.Join(shown, ","))
}

func profilesOf(p *warehouse.Part) (n int64) {
	for i := range p.Datasets {
		n += p.Datasets[i].Profiles
	}
	return n
}

// writeIndex prints an index for people. What there is nothing of is left out.
func writeIndex(out io.Writer, o *metastore.Offline, f *filterFlags) {
	fmt.Fprintf(out, "metastore of node %s, format %d, made %s\n", o.Node, o.Format, o.Since.UTC().Format(time.RFC3339))
	var kinds []string
	for _, k := range slices.Sorted(maps.Keys(o.Log.Commands)) {
		kinds = append(kinds, fmt.Sprintf("%s %d", k, o.Log.Commands[k]))
	}
	fmt.Fprintf(out, "log: entries %d to %d of term %d, in %s\n", o.Log.First, o.Log.Last, o.Log.Term, plural(o.Log.Files, "file"))
	fmt.Fprintf(out, "commands in the log: %s; entries of other kinds %d\n", dash(strings.Join(kinds, ", ")), o.Log.Others)
	for i := range o.Snapshots {
		s := &o.Snapshots[i]
		fmt.Fprintf(out, "snapshot %s: entry %d of term %d, %s\n", s.ID, s.Index, s.Term, bytesText(s.Bytes))
	}
	if o.View == nil {
		fmt.Fprintln(out, "state: not known")
		return
	}
	d := o.View.Describe()
	fmt.Fprintf(out, "state: behind command %d of %s, from the snapshot of entry %d\n", d.Index, d.Time, o.From)
	fmt.Fprintf(out, "live: %s of %s, %s\n", plural(d.Totals.Parts, "part"), plural(d.Totals.Objects, "object"), bytesText(d.Totals.Bytes))
	fmt.Fprintf(out, "retention: %s\n", keepText(d.Retention))
	writeTenants(out, d, f)
	writeRules(out, d, f)
	writeParts(out, d, f)
	writeEpochs(out, d, f)
	writeJobs(out, d, f)
	writeDeletions(out, d, f)
	writeTombstones(out, d, f)
	writeFates(out, "what became of ids in the last hour", d.Fates)
	writeFates(out, "ids of orphans that can never become live", d.Fences)
	writeBatches(out, d, f)
}

func writeTenants(out io.Writer, d *state.Description, f *filterFlags) {
	t := newTextTable(out, "tenants", "tenant", "retention", "hours", "parts", "bytes", "dropped to", "epoch", "settings")
	for _, x := range d.Tenants {
		if f.Tenant != "" && f.Tenant != string(x.Name) {
			continue
		}
		var parts int
		var bytes int64
		for _, h := range x.Hours {
			for _, p := range h.Parts {
				parts++
				bytes += p.SizeBytes()
			}
		}
		horizon, epoch := "-", "-"
		if x.HorizonEpoch > 0 {
			horizon, epoch = x.HorizonHour.String(), fmt.Sprint(x.HorizonEpoch)
		}
		var settings []string
		for _, s := range x.Settings {
			settings = append(settings, plainText(s.Name)+"="+plainText(s.Value))
		}
		t.row(x.Name, keepText(x.Retention), len(x.Hours), parts, bytesText(bytes), horizon, epoch, dash(strings.Join(settings, " ")))
	}
	t.end()
}

// eachPart calls fn with the parts that the filter picks.
func eachPart(d *state.Description, f *filterFlags, fn func(*warehouse.Part)) {
	for _, t := range d.Tenants {
		for _, h := range t.Hours {
			for _, p := range h.Parts {
				if f.part(p) {
					fn(p)
				}
			}
		}
	}
}

func writeParts(out io.Writer, d *state.Description, f *filterFlags) {
	t := newTextTable(out, "parts", "tenant", "hour", "level", "object", "services", "profiles", "samples", "bytes", "from", "to")
	eachPart(d, f, func(p *warehouse.Part) {
		t.row(p.Tenant, p.Hour, p.Level, p.Object, servicesText(servicesOf(p)), profilesOf(p), p.Rows(), bytesText(p.SizeBytes()), p.Range.From, p.Range.To)
	})
	t.end()
}

func writeEpochs(out io.Writer, d *state.Description, f *filterFlags) {
	t := newTextTable(out, "epochs of dataset partitions", "tenant", "hour", "service", "epoch")
	for _, x := range d.Tenants {
		for _, h := range x.Hours {
			for _, e := range h.Epochs {
				if f.place(x.Name, h.Hour) && (f.Service == "" || f.Service == e.Key.Service) {
					t.row(x.Name, h.Hour, plainText(e.Key.Service), e.Value)
				}
			}
		}
	}
	t.end()
}

// jobStateText says what a job does.
func jobStateText(j *state.JobDescription) string {
	switch {
	case j.SetAside:
		return "set aside"
	case j.Token == 0:
		return "waiting"
	}
	return "running"
}

func writeJobs(out io.Writer, d *state.Description, f *filterFlags) {
	t := newTextTable(out, "jobs", "job", "tenant", "hour", "level", "inputs", "bytes", "state", "worker", "lease ends", "attempts", "failures", "reason")
	for i := range d.Jobs {
		j := &d.Jobs[i]
		if f.place(j.Tenant, j.Hour) {
			t.row(j.ID, j.Tenant, j.Hour, j.Level, len(j.Inputs), bytesText(j.Bytes), jobStateText(j), dash(j.Worker), instantText(j.LeaseEnd), j.Attempts, j.Failures, plainOrDash(j.Reason))
		}
	}
	t.end()
}

// plainOrDash returns foreign text, or a dash for none.
func plainOrDash(text string) string {
	if text == "" {
		return "-"
	}
	return plainText(text)
}

func writeRules(out io.Writer, d *state.Description, f *filterFlags) {
	t := newTextTable(out, "rules of retention", "tenant", "service", "profile type", "keep")
	for _, x := range d.Tenants {
		for _, r := range x.Rules {
			if f.Tenant == "" || f.Tenant == string(x.Name) {
				t.row(x.Name, plainOrDash(r.Service), plainOrDash(r.Type), keepText(r.Keep))
			}
		}
	}
	t.end()
}

func writeDeletions(out io.Writer, d *state.Description, f *filterFlags) {
	t := newTextTable(out, "deletions", "deletion", "tenant", "reason", "selector", "from", "to", "command", "submitted", "applied", "bytes gone", "objects left")
	for _, x := range d.Deletions {
		if f.Tenant == "" || f.Tenant == string(x.Tenant) {
			t.row(x.ID, x.Tenant, x.Reason, plainOrDash(x.Selector), x.From, x.To, x.Index, x.SubmittedAt, instantText(x.AppliedAt), instantText(x.GoneAt), len(x.Residue))
		}
	}
	t.end()
}

func writeTombstones(out io.Writer, d *state.Description, f *filterFlags) {
	t := newTextTable(out, "dead objects to be deleted", "object", "level", "tenant", "hour", "bytes", "command", "died")
	for _, x := range d.Tombstones {
		if p := &x.Part; f.place(p.Tenant, p.Hour) {
			t.row(p.Object, p.Level, p.Tenant, p.Hour, bytesText(p.SizeBytes()), x.Index, x.At)
		}
	}
	t.end()
}

// writeFates counts verdicts; JSON has every id.
func writeFates(out io.Writer, title string, list []state.FateDescription) {
	verdicts := map[string]int{}
	for _, x := range list {
		verdicts[x.Verdict]++
	}
	t := newTextTable(out, title, "verdict", "ids")
	for _, v := range slices.Sorted(maps.Keys(verdicts)) {
		t.row(v, verdicts[v])
	}
	t.end()
}

// writeBatches prints how many profiles retries are recognised by.
func writeBatches(out io.Writer, d *state.Description, f *filterFlags) {
	profiles := map[warehouse.Tenant]int{}
	for _, b := range d.Batches {
		for t, n := range b.Profiles {
			if f.Tenant == "" || f.Tenant == string(t) {
				profiles[t] += n
			}
		}
	}
	t := newTextTable(out, "profiles by which retries are recognised", "tenant", "profiles")
	for _, name := range slices.Sorted(maps.Keys(profiles)) {
		t.row(name, profiles[name])
	}
	t.end()
}
