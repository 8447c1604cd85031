package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

type blockDumpCmd struct {
	storeFlags
	Table  string   `name:"table" option:"" required:"" placeholder:"TABLE" help:"samples, profiles, series, stacktraces or stack_totals."`
	Limit  int64    `name:"limit" option:"" placeholder:"N" help:"Most rows; all without it."`
	Where  []string `name:"where" option:"" sep:"none" placeholder:"COLUMN=VALUE" help:"Only rows in which the column has the value, as it is printed; may be given again. \"service\" stands for service_name."`
	Format string   `name:"format" option:"" default:"json" enum:"json,csv" placeholder:"FORMAT" help:"json, a row a line, or csv (default ${default})."`
	Block  string   `arg:"" name:"block" help:"Id of the block, or its folder."`
}

// field is a named value of a row; nil stands for NULL.
type field struct {
	name  string
	value any
}

// dumpBlock prints the rows of a table.
func (p program) dumpBlock(ctx context.Context, cmd *blockDumpCmd) int {
	table, conditions, err := cmd.parse()
	if err != nil {
		return p.fail(exitUsage, err)
	}
	b, err := findBlock(ctx, &cmd.storeFlags, cmd.Block)
	if err != nil {
		return p.fail(exitError, err)
	}
	data, err := b.table(ctx, table)
	if err != nil {
		return p.fail(exitError, err)
	}
	d := &rowPrinter{limit: cmd.Limit, conditions: conditions, out: p.stdout, json: cmd.Format == "json", csv: csv.NewWriter(p.stdout)}
	err = eachRow(data, table, d.row)
	d.csv.Flush()
	if errors.Is(err, errEnough) {
		err = nil
	}
	if err = errors.Join(err, d.csv.Error()); err != nil {
		return p.fail(exitError, fmt.Errorf("dump %s: %w", plainText(cmd.Block), err))
	}
	return exitOK
}

// columnsOf returns the columns that a dump of the table has.
func columnsOf(t warehouse.Table) (names []string) {
	for _, f := range block.ArrowSchema(t).Fields() {
		names = append(names, f.Name)
	}
	return names
}

// parse returns what the flags mean.
func (cmd *blockDumpCmd) parse() (warehouse.Table, map[string]string, error) {
	if cmd.Limit < 0 {
		return 0, nil, fmt.Errorf("--limit: %d is negative", cmd.Limit)
	}
	for _, t := range block.Tables() {
		if t.String() != cmd.Table {
			continue
		}
		conditions := map[string]string{}
		for _, text := range cmd.Where {
			column, value, ok := strings.Cut(text, "=")
			if column == "service" {
				column = "service_name"
			}
			if !ok || !slices.Contains(columnsOf(t), column) {
				return 0, nil, fmt.Errorf("--where: %.60q is no COLUMN=VALUE with a column of %s: %s", text, t, strings.Join(columnsOf(t), ", "))
			}
			if _, again := conditions[column]; again {
				return 0, nil, fmt.Errorf("--where: column %s is there twice", column)
			}
			conditions[column] = value
		}
		return t, conditions, nil
	}
	return 0, nil, fmt.Errorf("--table: %.40q is no table: samples, profiles, series, stacktraces or stack_totals", cmd.Table)
}

var errEnough = errors.New("enough rows")

// rowPrinter prints rows that meet all conditions, up to the limit.
type rowPrinter struct {
	limit, n   int64
	conditions map[string]string
	out        io.Writer
	json       bool
	csv        *csv.Writer
}

func (d *rowPrinter) row(fields []field) error {
	for _, f := range fields {
		if want, ok := d.conditions[f.name]; ok && want != cellText(f.value) {
			return nil
		}
	}
	if d.limit > 0 && d.n >= d.limit {
		return errEnough
	}
	d.n++
	if d.json {
		return d.line(fields)
	}
	cells := make([]string, len(fields))
	if d.n == 1 {
		for i, f := range fields {
			cells[i] = f.name
		}
		if err := d.csv.Write(cells); err != nil {
			return err
		}
	}
	for i, f := range fields {
		cells[i] = cellText(f.value)
	}
	return d.csv.Write(cells)
}

// line prints an object whose names are in the order of columns.
func (d *rowPrinter) line(fields []field) error {
	var b strings.Builder
	for i, f := range fields {
		value, err := json.Marshal(f.value)
		if err != nil {
			return err
		}
		sep := ","
		if i == 0 {
			sep = "{"
		}
		fmt.Fprintf(&b, "%s%q:%s", sep, f.name, value)
	}
	_, err := fmt.Fprintf(d.out, "%s}\n", b.String())
	return err
}

// cellText returns a value as conditions and CSV have it; NULL is empty.
func cellText(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case []string, []int64, []bool, map[string]string:
		text, _ := json.Marshal(x) //nolint:errchkjson // these always can be
		return string(text)
	}
	return fmt.Sprint(v)
}

// eachRow calls fn with every row of a table.
func eachRow(data []byte, t warehouse.Table, fn func([]field) error) error {
	columns := columnsOf(t)
	switch t {
	case warehouse.TableSamples:
		return block.ReadSamples(data, func(r block.SampleRow) error { return fn(sampleFields(columns, &r)) })
	case warehouse.TableProfiles:
		return block.ReadProfiles(data, func(r block.ProfileRow) error { return fn(profileFields(columns, &r)) })
	case warehouse.TableSeries:
		return block.ReadSeries(data, func(s warehouse.Series) error { return fn(seriesFields(columns, &s)) })
	case warehouse.TableStacktraces:
		return block.ReadStacktraces(data, func(s warehouse.Stacktrace) error { return fn(stackFields(columns, &s)) })
	default:
		return block.ReadStackTotals(data, func(r block.StackTotal) error { return fn(totalFields(columns, &r)) })
	}
}

// named gives values the names of columns.
func named(columns []string, values ...any) []field {
	out := make([]field, len(values))
	for i, v := range values {
		out[i] = field{columns[i], v}
	}
	return out
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func sampleFields(columns []string, r *block.SampleRow) []field {
	var attributes any
	if r.Attributes != 0 {
		attributes = r.Attributes
	}
	return named(columns, r.Time.String(), r.Service, r.Type, int64(r.Series), int64(r.Stacktrace), r.Profile.String(),
		orNull(r.Span), orNull(r.Trace), attributes, r.Value)
}

func profileFields(columns []string, r *block.ProfileRow) []field {
	return named(columns, r.Time.String(), r.Service, r.Type, int64(r.Series), r.ID.String(), r.DurationNs, r.Period, r.Value,
		r.Samples, r.Received.String(), r.Flags)
}

func seriesFields(columns []string, s *warehouse.Series) []field {
	labels := map[string]string{}
	for _, l := range s.Labels {
		labels[l.Name] = l.Value
	}
	return named(columns, int64(s.ID), s.Service(), s.Type.String(), labels)
}

func stackFields(columns []string, s *warehouse.Stacktrace) []field {
	n := len(s.Frames)
	functions, system, files, mappings, builds := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	lines, starts, addresses, inlined := make([]int64, n), make([]int64, n), make([]int64, n), make([]bool, n)
	for i := range s.Frames {
		f := &s.Frames[i]
		functions[i], system[i], files[i], mappings[i], builds[i] = f.Function, f.SystemName, f.Filename, f.Mapping, f.BuildID
		lines[i], starts[i], addresses[i], inlined[i] = f.Line, f.StartLine, int64(f.Address), f.Inlined
	}
	return named(columns, int64(s.ID), functions, system, files, lines, starts, mappings, builds, addresses, inlined)
}

func totalFields(columns []string, r *block.StackTotal) []field {
	return named(columns, r.Hour.Start().String(), r.Service, r.Type, int64(r.Stacktrace), json.Number(r.Value.BigInt().String()), r.Samples)
}
