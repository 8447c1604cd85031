package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

type metastoreCheckCmd struct {
	dataDirFlag
	Deep bool `name:"deep" option:"" help:"Read all live objects, and compare checksums and what they say of themselves."`
	JSON bool `name:"json" option:"" help:"Print one JSON object."`
}

// metastoreCheckView is the JSON of a check.
type metastoreCheckView struct {
	reportView
	Index     uint64            `json:"index"`
	Parts     int               `json:"parts"`
	Objects   int               `json:"objects"`
	Files     int               `json:"files"`
	Bytes     int64             `json:"bytes"`
	TornBytes int               `json:"torn_bytes"`
	Orphans   []foundObjectView `json:"orphans"`
	Dead      []foundObjectView `json:"dead"`
}

type foundObjectView struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
}

func foundObjects(list []metastore.FoundObject) []foundObjectView {
	out := []foundObjectView{}
	for _, f := range list {
		out = append(out, foundObjectView{f.ID.String(), f.Name, f.Files, f.Bytes})
	}
	return out
}

// checkMetastore verifies the index of a data directory, and its bucket against it.
func (p program) checkMetastore(ctx context.Context, cmd *metastoreCheckCmd) int {
	o, err := inspectMetastore(ctx, cmd.DataDir)
	if err != nil {
		return p.fail(exitError, err)
	}
	bucket := &metastore.BucketReport{}
	if o.View != nil {
		files, err := object.OpenReadOnly(filepath.Join(cmd.DataDir, bucketDir))
		if err == nil {
			bucket, err = o.CheckBucket(ctx, files, cmd.Deep)
		}
		if err != nil {
			return p.fail(exitError, err)
		}
	}
	if cmd.JSON {
		err = printJSON(p.stdout, newMetastoreCheckView(o, bucket))
	} else {
		p.printMetastoreCheck(o, bucket, cmd.Deep)
	}
	switch {
	case err != nil:
		return p.fail(exitError, err)
	case o.Report.Failed():
		return exitError
	}
	return exitOK
}

func newMetastoreCheckView(o *metastore.Offline, b *metastore.BucketReport) metastoreCheckView {
	v := metastoreCheckView{
		reportView: newReportView(&o.Report), Objects: b.Objects, Files: b.Files, Bytes: b.Bytes, TornBytes: o.Log.Torn,
		Orphans: foundObjects(b.Orphans), Dead: foundObjects(b.Dead),
	}
	if o.View != nil {
		v.Index, v.Parts = o.View.Index(), o.View.Totals().Parts
	}
	return v
}

func (p program) printMetastoreCheck(o *metastore.Offline, b *metastore.BucketReport, deep bool) {
	verdict, compared := "ok", "sizes"
	if o.Report.Failed() {
		verdict = "damaged"
	}
	if deep {
		compared = "sizes, checksums and descriptions"
	}
	fmt.Fprintf(p.stdout, "%s %s: %s, %s\n", verdict, plainText(o.Path), plural(o.Report.Checks, "check"), plural(o.Report.Total(), "finding"))
	printFindings(p.stdout, &o.Report, true)
	fmt.Fprintf(p.stdout, "log: entries %d to %d of term %d\n", o.Log.First, o.Log.Last, o.Log.Term)
	if o.Log.Torn > 0 {
		fmt.Fprintf(p.stdout, "log: its last write was torn (%s), which is normal after a crash: nobody was told that it is stored\n", plural(o.Log.Torn, "byte"))
	}
	if o.Damaged > 0 {
		fmt.Fprintf(p.stdout, "snapshots: %d were damaged and moved aside earlier\n", o.Damaged)
	}
	for i := range o.Snapshots {
		s := &o.Snapshots[i]
		fmt.Fprintf(p.stdout, "snapshot %s: entry %d, %s\n", s.ID, s.Index, bytesText(s.Bytes))
	}
	if o.View == nil {
		fmt.Fprintln(p.stdout, "state: not known, so that the bucket was not compared")
		return
	}
	fmt.Fprintf(p.stdout, "state: %s of %s behind command %d\n", plural(o.View.Totals().Parts, "part"), plural(b.Objects, "object"), o.View.Index())
	fmt.Fprintf(p.stdout, "bucket: %s of live objects, %s, compared: %s\n", plural(b.Files, "file"), bytesText(b.Bytes), compared)
	printFound(p, "dead, to be deleted", b.Dead)
	printFound(p, "orphans, which the server deletes once they are old enough", b.Orphans)
}

func printFound(p program, title string, list []metastore.FoundObject) {
	t := newTextTable(p.stdout, title, "object", "files", "bytes", "name")
	for _, f := range list {
		t.row(f.ID, f.Files, bytesText(f.Bytes), f.Name)
	}
	t.end()
}
