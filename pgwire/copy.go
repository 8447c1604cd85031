package pgwire

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/jackc/pgx/v5/pgproto3"
)

// copyOptions are how COPY … TO STDOUT writes.
type copyOptions struct {
	format     string // text, csv or binary
	delimiter  byte
	null       string
	header     bool
	quote      byte
	escape     byte
	forceAll   bool
	forceQuote []string
}

// copyTo is COPY (query) TO STDOUT, or COPY table TO STDOUT.
type copyTo struct {
	query   *query
	options copyOptions
}

func (c *copyTo) plan(ctx context.Context, s *session, oids []uint32) (*plan, error) {
	inner, err := c.query.plan(ctx, s, oids)
	if err != nil {
		return nil, err
	}
	if len(inner.params) > 0 {
		return nil, errorf(stateUndefinedParameter, "there is no parameter $1")
	}
	for _, name := range c.options.forceQuote {
		if !slices.ContainsFunc(inner.columns, func(col column) bool { return col.Name == name }) {
			return nil, errorf("42703", "column %q does not exist", clip(name))
		}
	}
	run := func(ctx context.Context, args []any) (*result, error) {
		res, err := inner.run(ctx, args)
		if err != nil {
			return nil, err
		}
		return &result{tag: "COPY", counts: true, rows: res.rows, copy: &c.options}, nil
	}
	return &plan{columns: inner.columns, run: run, stable: true, copies: true}, nil
}

// copyOut sends a portal's rows as COPY data.
func (s *session) copyOut(ctx context.Context, p *portal) error {
	opts := p.res.copy
	s.wire.send(copyOutResponse(opts, len(p.plan.columns)))
	enc := &copyEncoder{opts: opts, columns: p.plan.columns, style: s.style()}
	if err := enc.begin(s.wire); err != nil {
		return err
	}
	rows := int64(0)
	for {
		rec, err := p.rows.take(ctx, math.MaxInt64)
		if isEOF(err) {
			break
		}
		if err != nil {
			return err
		}
		err = enc.encode(s.wire, rec)
		rows += rec.NumRows()
		rec.Release()
		if err != nil {
			return err
		}
	}
	s.srv.metrics.rows.Add(float64(rows))
	if err := enc.end(s.wire); err != nil {
		return err
	}
	s.wire.send(&pgproto3.CopyDone{})
	s.wire.send(&pgproto3.CommandComplete{CommandTag: []byte(p.res.complete(rows))})
	return nil
}

func copyOutResponse(opts *copyOptions, columns int) *pgproto3.CopyOutResponse {
	format := formatText
	if opts.format == "binary" {
		format = formatBinary
	}
	return &pgproto3.CopyOutResponse{
		OverallFormat:     byte(format),
		ColumnFormatCodes: slices.Repeat([]uint16{uint16(format)}, columns),
	}
}

// writeCopyData writes bytes as one CopyData message.
func writeCopyData(w *wire, data []byte) error {
	msg := append([]byte{'d'}, 0, 0, 0, 0)
	binary.BigEndian.PutUint32(msg[1:], uint32(4+len(data)))
	if err := w.write(append(msg, data...)); err != nil {
		return errGone
	}
	return nil
}

// copyEncoder writes rows, one CopyData message each.
type copyEncoder struct {
	opts    *copyOptions
	columns []column
	style   *style
	check   *rowEncoder // for its check of later batches
	values  []appendFunc
	prefix  string // of the next message
	scratch []byte
}

// binarySignature begins a binary COPY; its flags and extension are zero. It
// shares a message with what follows, as clients expect (psycopg does).
const binarySignature = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

// begin writes what comes before the rows.
func (e *copyEncoder) begin(w *wire) error {
	switch {
	case e.opts.format == "binary":
		e.prefix = binarySignature
	case e.opts.header:
		var line []byte
		for i, c := range e.columns {
			line = e.separate(line, i)
			line = e.text(line, []byte(c.Name), false)
		}
		return writeCopyData(w, append(line, '\n'))
	}
	return nil
}

// end writes what comes after the rows.
func (e *copyEncoder) end(w *wire) error {
	if e.opts.format != "binary" {
		return nil
	}
	return writeCopyData(w, append([]byte(e.prefix), 0xff, 0xff))
}

func (e *copyEncoder) encode(w *wire, rec recordBatch) error {
	if e.values == nil {
		if err := e.prepare(rec.Schema()); err != nil {
			return err
		}
	}
	if err := e.check.check(rec.Schema()); err != nil {
		return err
	}
	cols := rec.Columns()
	for i := range int(rec.NumRows()) {
		row := append(w.w.AvailableBuffer(), 'd', 0, 0, 0, 0)
		row = append(row, e.prefix...)
		e.prefix = ""
		row = e.appendRow(row, cols, i)
		if len(row) > maxRowBytes {
			return errorf(stateProgramLimit, "a row has %d bytes, the limit is %d", len(row), maxRowBytes)
		}
		binary.BigEndian.PutUint32(row[1:], uint32(len(row)-1))
		if err := w.write(row); err != nil {
			return errGone
		}
	}
	return nil
}

func (e *copyEncoder) prepare(schema *arrow.Schema) error {
	if schema.NumFields() != len(e.columns) {
		return errorf(stateInternal, "result has %d columns, %d were described", schema.NumFields(), len(e.columns))
	}
	e.check = &rowEncoder{schema: schema}
	e.values = make([]appendFunc, len(e.columns))
	for i, c := range e.columns {
		dt := schema.Field(i).Type
		if e.opts.format != "binary" {
			e.values[i] = textFunc(c.Type, dt, e.style)
			continue
		}
		var err error
		if e.values[i], err = binaryColumn(c, dt, e.style); err != nil {
			return err
		}
	}
	return nil
}

func (e *copyEncoder) appendRow(dst []byte, cols []arrow.Array, i int) []byte {
	if e.opts.format == "binary" {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(cols)))
		for c, col := range cols {
			dst = appendValue(dst, e.values[c], col, i)
		}
		return dst
	}
	for c, col := range cols {
		dst = e.separate(dst, c)
		if col.IsNull(i) {
			dst = append(dst, e.opts.null...)
			continue
		}
		e.scratch = e.values[c](e.scratch[:0], col, i)
		dst = e.text(dst, e.scratch, e.forced(c))
	}
	return append(dst, '\n')
}

func (e *copyEncoder) separate(dst []byte, column int) []byte {
	if column > 0 {
		return append(dst, e.opts.delimiter)
	}
	return dst
}

// forced reports whether a column's values are always quoted.
func (e *copyEncoder) forced(column int) bool {
	return e.opts.forceAll || slices.Contains(e.opts.forceQuote, e.columns[column].Name)
}

// text appends a value as the format writes it.
func (e *copyEncoder) text(dst, value []byte, force bool) []byte {
	if e.opts.format == "csv" {
		return e.csv(dst, value, force)
	}
	for _, c := range value {
		if i := bytes.IndexByte([]byte("\b\f\n\r\t\v"), c); i >= 0 {
			dst = append(dst, '\\', "bfnrtv"[i])
			continue
		}
		if c == '\\' || c == e.opts.delimiter {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return dst
}

func (e *copyEncoder) csv(dst, value []byte, force bool) []byte {
	special := []byte{e.opts.delimiter, e.opts.quote, '\n', '\r'}
	lone := len(e.columns) == 1 && string(value) == `\.` // would end the data
	if !force && !lone && string(value) != e.opts.null && !bytes.ContainsAny(value, string(special)) {
		return append(dst, value...)
	}
	dst = append(dst, e.opts.quote)
	for _, c := range value {
		if c == e.opts.quote || c == e.opts.escape {
			dst = append(dst, e.opts.escape)
		}
		dst = append(dst, c)
	}
	return append(dst, e.opts.quote)
}

// complete fills in the format's defaults and refuses options that
// contradict it.
func (o *copyOptions) complete(set map[string]bool) error {
	switch o.format {
	case "", "text":
		o.format = "text"
		defaultByte(&o.delimiter, '\t')
		if !set["null"] {
			o.null = `\N`
		}
	case "csv":
		defaultByte(&o.delimiter, ',')
		defaultByte(&o.quote, '"')
		defaultByte(&o.escape, o.quote)
	case "binary":
		if set["delimiter"] || set["null"] || o.header {
			return errorf(stateSyntaxError, "cannot specify DELIMITER, NULL or HEADER in BINARY mode")
		}
	default:
		return errorf(stateInvalidParameter, "COPY format %q not recognized", clip(o.format))
	}
	if o.format != "csv" && (set["quote"] || set["escape"] || set["force_quote"]) {
		return errorf(stateFeatureNotSupported, "COPY QUOTE, ESCAPE and FORCE QUOTE are available only in CSV mode")
	}
	if strings.ContainsAny(o.null, "\r\n") || strings.IndexByte(o.null, o.delimiter) >= 0 && o.format != "binary" {
		return errorf(stateInvalidParameter, "COPY null representation cannot use newline, carriage return or the delimiter")
	}
	if o.format == "text" && strings.IndexByte(`\.abcdefghijklmnopqrstuvwxyz0123456789`, o.delimiter) >= 0 {
		return errorf(stateInvalidParameter, "COPY delimiter cannot be %q", string(o.delimiter))
	}
	return nil
}

func defaultByte(b *byte, def byte) {
	if *b == 0 {
		*b = def
	}
}
