package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// dataDirFlag is what commands on a data directory have.
type dataDirFlag struct {
	DataDir string `name:"data-dir" default:"./data" placeholder:"DIR" help:"The data directory (default ${default})."`
}

// storeFlags say where stored objects are.
type storeFlags struct {
	dataDirFlag
	Bucket string `name:"bucket" option:"" placeholder:"DIR" help:"Folder of objects to look into, instead of a data directory."`
}

// store is where objects are read. Nothing is changed in it.
type store struct {
	bucket  object.ReadOnly
	root    string // of the bucket
	dataDir string // empty if only a bucket is known
}

// open opens the bucket. A data directory of a newer version, and what is none, is
// refused.
func (f *storeFlags) open() (*store, error) {
	s := &store{root: f.Bucket}
	if f.Bucket == "" {
		if err := readDataDir(f.DataDir); err != nil {
			return nil, err
		}
		s.dataDir, s.root = f.DataDir, filepath.Join(f.DataDir, bucketDir)
	}
	var err error
	s.bucket, err = object.OpenReadOnly(s.root)
	return s, err
}

// readDataDir checks that a directory is one of ours that this program reads. It
// changes nothing.
func readDataDir(path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("data directory %q: %w", path, err)
	}
	err = (&dataDir{path: abs}).checkVersions()
	if errors.Is(err, fs.ErrNotExist) {
		if _, statErr := os.Stat(abs); statErr == nil {
			return fmt.Errorf("data directory %s is not Stackhouse's: it has no file %s; choose another with --data-dir, or a folder of objects with --bucket", abs, formatFile)
		}
	}
	return err
}

// filterFlags pick what is of interest.
type filterFlags struct {
	Tenant  string `name:"tenant" option:"" placeholder:"TENANT" help:"Only what is of the tenant."`
	Hour    string `name:"hour" option:"" placeholder:"HOUR" help:"Only what is of the UTC hour, as 2026-03-01T10, or of the day, as 2026-03-01."`
	Service string `name:"service" option:"" placeholder:"NAME" help:"Only what has the service."`
}

// validate names a flag that cannot be.
func (f *filterFlags) validate() error {
	if f.Tenant != "" {
		if _, err := warehouse.ParseTenant(f.Tenant); err != nil {
			return fmt.Errorf("--tenant: %w", err)
		}
	}
	if f.Hour == "" {
		return nil
	}
	for _, layout := range []string{"2006-01-02T15", time.DateOnly} {
		if _, err := time.Parse(layout, f.Hour); err == nil {
			return nil
		}
	}
	return fmt.Errorf("--hour: %.40q is no hour such as 2026-03-01T10 and no day such as 2026-03-01", f.Hour)
}

// place reports whether a tenant and hour are wanted.
func (f *filterFlags) place(t warehouse.Tenant, h warehouse.Hour) bool {
	return (f.Tenant == "" || f.Tenant == string(t)) && strings.HasPrefix(h.String(), f.Hour)
}

// part reports whether a part is wanted.
func (f *filterFlags) part(p *warehouse.Part) bool {
	return f.place(p.Tenant, p.Hour) && (f.Service == "" || p.Dataset(f.Service) != nil)
}

// textTable prints rows in aligned columns, indented, with a heading.
type textTable struct {
	w     *tabwriter.Writer
	title string
	head  string
	rows  int
}

func newTextTable(out io.Writer, title string, columns ...string) *textTable {
	return &textTable{w: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0), title: title, head: "  " + strings.Join(columns, "\t") + "\n"}
}

// row prints a row; the heading before the first.
func (t *textTable) row(cells ...any) {
	if t.rows == 0 {
		if t.title != "" {
			fmt.Fprintf(t.w, "\n%s\n", t.title)
		}
		fmt.Fprint(t.w, t.head)
	}
	t.rows++
	for i, c := range cells {
		sep := "\t"
		if i == 0 {
			sep = "  "
		}
		fmt.Fprint(t.w, sep, c)
	}
	fmt.Fprintln(t.w)
}

func (t *textTable) end() { t.w.Flush() } //nolint:errcheck // what could be done if standard output is gone?

// dash stands for nothing in a column.
func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// instantText returns an instant, or a dash for none.
func instantText(at warehouse.Micros) string {
	if at == 0 {
		return "-"
	}
	return at.String()
}

// printJSON prints one value as JSON in a line.
func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// findingView is the JSON of a finding.
type findingView struct {
	Check  string `json:"check"`
	Object string `json:"object"`
	Table  string `json:"table,omitempty"`
	Row    *int64 `json:"row,omitempty"`
	Column string `json:"column,omitempty"`
	Text   string `json:"text"`
}

// reportView is the JSON of a report.
type reportView struct {
	OK       bool           `json:"ok"`
	Checks   int64          `json:"checks"`
	Rows     int64          `json:"rows"`
	Findings []findingView  `json:"findings"`
	Found    map[string]int `json:"found,omitempty"`
	Skipped  map[string]int `json:"skipped,omitempty"`
}

func newReportView(r *warehouse.Report) reportView {
	v := reportView{OK: !r.Failed(), Checks: r.Checks, Rows: r.Rows, Found: r.Found, Skipped: r.Skipped, Findings: []findingView{}}
	for _, f := range r.Findings {
		x := findingView{f.Check, f.Object, f.Table, nil, f.Column, f.Text}
		if f.Row != warehouse.NoRow {
			x.Row = &f.Row
		}
		v.Findings = append(v.Findings, x)
	}
	return v
}

// printFindings prints what a report holds, below a line about the object.
func printFindings(out io.Writer, r *warehouse.Report, withObject bool) {
	kept := map[string]int{}
	for _, f := range r.Findings {
		kept[f.Check]++
		text := strings.ReplaceAll(f.String(), "\n", " ")
		if withObject {
			text = plainText(f.Object) + ": " + text
		}
		fmt.Fprintf(out, "  %s\n", text)
		if n := r.Found[f.Check]; kept[f.Check] == warehouse.MaxFindings && n > warehouse.MaxFindings {
			fmt.Fprintf(out, "  %s: %d more\n", f.Check, n-warehouse.MaxFindings)
		}
	}
}
