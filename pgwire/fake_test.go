package pgwire

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stackhouse-db/stackhouse/sql/statement"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// fake answers a handful of statements:
//
//	select 1                     one INTEGER
//	select n from numbers(10)    BIGINT 1 … 10, in batches of three
//	select $1 + 1                a BIGINT parameter; answers the argument plus one
//	select $1                    a VARCHAR parameter; answers the Go value
//	select session               what the statement sees of its connection
//	select types                 one row of many types
//	select nothing               no columns, one row
//	select wait                  blocks until it is stopped
//	select wait late             gives a row, then blocks
//	select fail                  42703 at "fail"
//	select fail late             gives a row, then fails
//	select bug                   panics
//	explain …                    one VARCHAR: the text
//
// Anything else is a syntax error at its first character.
type fake struct {
	mem     *memory.CheckedAllocator
	open    atomic.Int64 // Rows that are not closed
	waiting chan struct{}
	pins    atomic.Int64 // snapshots held
}

func newFake() *fake {
	return &fake{mem: memory.NewCheckedAllocator(memory.DefaultAllocator), waiting: make(chan struct{}, 100)}
}

var (
	bigint   = statement.Type{Name: statement.BigInt}
	varchar  = statement.Type{Name: statement.Varchar}
	integer4 = statement.Type{Name: statement.Integer}

	numbersRE = regexp.MustCompile(`^select n from numbers\((\d+)\)$`)
)

func (f *fake) Prepare(ctx context.Context, sess *statement.Session, text string, types []string) (*statement.Prepared, error) {
	p := &statement.Prepared{Text: text}
	lower := strings.ToLower(text)
	cols := func(names string, t statement.Type) (*statement.Prepared, error) {
		for _, n := range strings.Fields(names) {
			p.Columns = append(p.Columns, statement.Column{Name: n, Type: t})
		}
		return p, nil
	}
	switch {
	case lower == "select 1", strings.HasPrefix(lower, "select wait"), lower == "select fail late", lower == "select bug":
		return cols("?column?", integer4)
	case lower == "select nothing":
		return p, nil
	case numbersRE.MatchString(lower):
		return cols("n", bigint)
	case lower == "select $1 + 1":
		p.Params = []statement.Type{bigint}
		return cols("sum", bigint)
	case lower == "select $1":
		p.Params = []statement.Type{varchar}
		return cols("echo", varchar)
	case lower == "select session":
		return cols("tenant user application zone now pid search_path", varchar)
	case lower == "select types":
		p.Columns = typedColumns()
		return p, nil
	case strings.HasPrefix(lower, "explain"):
		return cols("plan", varchar)
	case lower == "select fail":
		return nil, &statement.Error{
			Kind: warehouse.Invalid, SQLState: "42703", Message: `column "fail" does not exist`, Hint: "There is none.", Position: 8,
		}
	}
	return nil, &statement.Error{Kind: warehouse.Invalid, SQLState: "42601", Message: "syntax error", Position: 1}
}

func (f *fake) Execute(ctx context.Context, sess *statement.Session, p *statement.Prepared, args []any) (statement.Rows, error) {
	if sess.Pin != nil {
		if _, err := sess.Pin.Hold(func() (statement.Releaser, error) {
			f.pins.Add(1)
			return release(func() { f.pins.Add(-1) }), nil
		}); err != nil {
			return nil, err
		}
	}
	f.open.Add(1)
	r := &fakeRows{fake: f}
	lower := strings.ToLower(p.Text)
	switch {
	case lower == "select bug":
		f.open.Add(-1)
		panic("a bug")
	case lower == "select nothing":
		r.batches = append(r.batches, array.NewRecordBatch(arrow.NewSchema(nil, nil), nil, 1))
	case lower == "select types":
		r.batches = append(r.batches, typedBatch(f.mem))
	case lower == "select session":
		r.batches = append(r.batches, f.strings(string(sess.Tenant), sess.User, sess.ApplicationName, sess.TimeZone,
			sess.Now.UTC().Format("15:04:05.000"), strconv.Itoa(int(sess.PID)), sess.Settings["search_path"]))
	case lower == "select $1":
		r.batches = append(r.batches, f.strings(fmt.Sprintf("%T %v", args[0], args[0])))
	case lower == "select $1 + 1":
		if n, ok := args[0].(int64); ok {
			r.batches = append(r.batches, f.int64s(n+1, n+1))
		} else {
			r.batches = append(r.batches, f.nulls())
		}
	case numbersRE.MatchString(lower):
		n, _ := strconv.ParseInt(numbersRE.FindStringSubmatch(lower)[1], 10, 64)
		for from := int64(1); from <= n; from += 3 {
			r.batches = append(r.batches, f.int64s(from, min(from+2, n)))
		}
	case strings.HasPrefix(lower, "explain"):
		r.batches = append(r.batches, f.strings(p.Text))
	case lower != "select wait":
		r.batches = append(r.batches, f.int32s(1))
	}
	r.wait = strings.HasPrefix(lower, "select wait")
	r.fail = strings.HasPrefix(lower, "select fail")
	return r, nil
}

type release func()

func (r release) Release() { r() }

func (f *fake) batch(b array.Builder) arrow.RecordBatch {
	defer b.Release()
	a := b.NewArray()
	defer a.Release()
	schema := arrow.NewSchema([]arrow.Field{{Name: "c", Type: a.DataType(), Nullable: true}}, nil)
	return array.NewRecordBatch(schema, []arrow.Array{a}, int64(a.Len()))
}

func (f *fake) int64s(from, to int64) arrow.RecordBatch {
	b := array.NewInt64Builder(f.mem)
	for n := from; n <= to; n++ {
		b.Append(n)
	}
	return f.batch(b)
}

func (f *fake) int32s(n int32) arrow.RecordBatch {
	b := array.NewInt32Builder(f.mem)
	b.Append(n)
	return f.batch(b)
}

func (f *fake) nulls() arrow.RecordBatch {
	b := array.NewInt64Builder(f.mem)
	b.AppendNull()
	return f.batch(b)
}

// strings is one row.
func (f *fake) strings(cells ...string) arrow.RecordBatch {
	fields := make([]arrow.Field, len(cells))
	arrays := make([]arrow.Array, len(cells))
	for i, c := range cells {
		b := array.NewStringBuilder(f.mem)
		b.Append(c)
		arrays[i] = b.NewArray()
		defer arrays[i].Release()
		defer b.Release()
		fields[i] = arrow.Field{Type: arrow.BinaryTypes.String, Nullable: true}
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, 1)
}

// fakeRows gives batches, each valid until the next call.
type fakeRows struct {
	fake       *fake
	batches    []arrow.RecordBatch
	current    arrow.RecordBatch
	wait, fail bool
	closed     bool
}

func (r *fakeRows) Next(ctx context.Context) (arrow.RecordBatch, error) {
	r.release()
	if r.closed {
		return nil, io.EOF
	}
	if err := ctx.Err(); err != nil {
		return nil, &statement.Error{Kind: warehouse.Canceled, SQLState: "57014", Message: "interrupted", Cause: err}
	}
	if len(r.batches) > 0 {
		r.current, r.batches = r.batches[0], r.batches[1:]
		return r.current, nil
	}
	if r.wait {
		r.fake.waiting <- struct{}{}
		<-ctx.Done()
		return nil, &statement.Error{Kind: warehouse.Canceled, SQLState: "57014", Message: "interrupted", Cause: ctx.Err()}
	}
	if r.fail {
		return nil, &statement.Error{Kind: warehouse.Invalid, SQLState: "22012", Message: "division by zero"}
	}
	return nil, io.EOF
}

func (r *fakeRows) release() {
	if r.current != nil {
		r.current.Release()
		r.current = nil
	}
}

func (r *fakeRows) Close() {
	if r.closed {
		return
	}
	r.closed = true
	r.release()
	for _, b := range r.batches {
		b.Release()
	}
	r.fake.open.Add(-1)
}

func (r *fakeRows) Stats() statement.Stats { return statement.Stats{} }
