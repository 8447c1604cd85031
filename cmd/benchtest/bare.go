package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/sql/engine"
)

//go:embed bare/*.sql
var bareFiles embed.FS

// Statements that DuckDB is asked.
const (
	bareSums         = "sums"
	bareSumsMatching = "sums_matching"
	bareSeriesByPod  = "series_by_pod"
	bareSeries       = "series"
	bareLabels       = "labels"
	bareTotals       = "totals"
)

// bareQuestion is what plain DuckDB is asked over the same files: the grouping of a
// question, without selecting parts, naming frames, building and encoding a tree.
// That is the least that an answer made by DuckDB could take.
type bareQuestion struct {
	sql     string
	typ     string
	service string // empty: all
	span    span
	step    time.Duration
	next    *span // asked as well, one after the other
}

func sums(s span) bareQuestion { return bareQuestion{sql: bareSums, typ: cpuType, span: s} }

func (b bareQuestion) of(service string) bareQuestion { b.service = service; return b }
func (b bareQuestion) and(s span) bareQuestion        { b.next = &s; return b }
func (b bareQuestion) matching() bareQuestion         { b.sql = bareSumsMatching; return b }

// duck is an engine with all cores and an hour's blocks.
type duck struct {
	engine *engine.Instance
	files  map[string]string // table → list of files as SQL
}

// openDuck opens an engine over the blocks below a data directory.
func openDuck(dir string) (*duck, error) {
	bucket, err := filepath.Abs(filepath.Join(dir, "bucket"))
	if err != nil {
		return nil, err
	}
	d := &duck{files: map[string]string{}}
	for _, table := range []string{"samples", "profiles", "series", "stack_totals"} {
		var names []string
		err := filepath.WalkDir(filepath.Join(bucket, "blocks"), func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.Name() == table+".parquet" {
				names = append(names, literal(path))
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(names) == 0 {
			return nil, fmt.Errorf("%s has no blocks with %s", bucket, table)
		}
		d.files[table] = "[" + strings.Join(names, ", ") + "]"
	}
	d.engine, err = engine.OpenInstance(engine.Options{Threads: runtime.NumCPU(), AllowedDirs: []string{bucket}})
	return d, err
}

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (d *duck) close() { d.engine.Close() }

// ask runs the statement to its last row and returns what the values add up to.
// The rows stay in the engine: taking them out is not counted against it.
func (d *duck) ask(ctx context.Context, b *bareQuestion) (took time.Duration, total int64, err error) {
	text, err := bareFiles.ReadFile("bare/" + b.sql + ".sql")
	if err != nil {
		return 0, 0, err
	}
	micros := func(ms int64) string { return strconv.FormatInt(ms*1000, 10) + "::BIGINT" }
	query := strings.NewReplacer(
		"$samples", d.files["samples"], "$profiles", d.files["profiles"], "$series", d.files["series"], "$totals", d.files["stack_totals"],
		"$type", literal(b.typ), "$service", literal(b.service), "$from", micros(b.span.from), "$to", micros(b.span.to),
		"$step", strconv.FormatInt(max(b.step.Microseconds(), 1), 10),
	).Replace(string(text))
	began := time.Now()
	sum, err := d.engine.Text(ctx, "SELECT coalesce(sum(value), 0)::VARCHAR FROM (\n"+query+")")
	took = time.Since(began)
	if err == nil {
		total, err = strconv.ParseInt(sum, 10, 64)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("DuckDB, %s: %w", b.sql, err)
	}
	if b.next != nil {
		second := *b
		second.span, second.next = *b.next, nil
		more, n, err := d.ask(ctx, &second)
		return took + more, total + n, err
	}
	return took, total, nil
}
