package pgwire

import (
	"context"
	"math"
	"slices"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// portal is a plan with its arguments, whose rows are taken step by step. A cursor
// is a portal with a name that SQL gave it.
type portal struct {
	name    string
	session *session
	cmd     command // what a failed transaction judges it by; nil for a cursor
	plan    *plan
	args    []any
	formats []int16 // of the columns; nil: all text
	born    uint64  // session.portalSeq when it was made

	cursor, scroll, hold bool

	res  *result // nil until started
	rows *spool  // nil when the result has no rows
	enc  *rowEncoder
	at   int64 // a cursor's row, from 1; see fetchAny
}

func (s *session) newPortal(name string, pl *plan) *portal {
	s.portalSeq++
	p := &portal{name: name, session: s, plan: pl, born: s.portalSeq}
	if pl.binary {
		p.formats = slices.Repeat([]int16{formatBinary}, len(pl.columns))
	}
	return p
}

// setFormats sets the columns' formats as Bind gives them: none, one for all or
// one each. A binary cursor's do not change.
func (p *portal) setFormats(codes []int16) error {
	n := len(p.plan.columns)
	for _, c := range codes {
		if c != formatText && c != formatBinary {
			return errorf(stateInvalidParameter, "unsupported format code: %d", c)
		}
	}
	switch {
	case p.plan.binary || len(codes) == 0:
	case len(codes) == 1:
		p.formats = slices.Repeat(codes, n)
	case len(codes) == n:
		p.formats = slices.Clone(codes)
	default:
		return errorf(stateProtocolViolation, "bind message has %d result formats but query has %d columns", len(codes), n)
	}
	return nil
}

func (p *portal) started() bool { return p.res != nil }

// start runs the plan.
func (p *portal) start(ctx context.Context) error {
	res, err := p.plan.run(ctx, p.args)
	if err != nil {
		return err
	}
	p.res = res
	if res.rows != nil {
		p.rows = newSpool(res.rows, &p.session.srv.spooled, p.session.srv.opts.SpoolBytes)
	}
	return nil
}

// close frees the portal's rows.
func (p *portal) close() {
	if p.rows != nil {
		p.rows.close()
	}
}

func (s *session) dropPortal(name string) {
	if p, ok := s.portals[name]; ok {
		p.close()
		delete(s.portals, name)
	}
}

// description describes the portal's rows in their formats.
func (p *portal) description() *pgproto3.RowDescription {
	return rowDescription(p.plan.columns, p.formats)
}

func rowDescription(columns []statement.Column, formats []int16) *pgproto3.RowDescription {
	fields := make([]pgproto3.FieldDescription, len(columns))
	for i, c := range columns {
		t := columnType(c)
		fields[i] = pgproto3.FieldDescription{
			Name: []byte(c.Name), DataTypeOID: t.oid, DataTypeSize: t.size, TypeModifier: t.typmod,
		}
		if formats != nil {
			fields[i].Format = formats[i]
		}
	}
	return &pgproto3.RowDescription{Fields: fields}
}

// stream sends a portal's next rows, at most that many (0: all), and how it
// ended: CommandComplete or PortalSuspended.
func (s *session) stream(ctx context.Context, p *portal, most int64) (suspended bool, err error) {
	if p.res.copy != nil {
		return false, s.copyOut(ctx, p)
	}
	sent := int64(0)
	if p.rows != nil {
		if sent, suspended, err = s.sendRows(ctx, p, most); err != nil {
			return false, err
		}
	}
	if suspended {
		s.wire.send(&pgproto3.PortalSuspended{})
		return true, nil
	}
	s.wire.send(&pgproto3.CommandComplete{CommandTag: []byte(p.res.complete(sent))})
	return false, nil
}

func (s *session) sendRows(ctx context.Context, p *portal, most int64) (sent int64, suspended bool, err error) {
	if most <= 0 {
		most = math.MaxInt64
	}
	for sent < most {
		rec, err := p.rows.take(ctx, most-sent)
		if isEOF(err) {
			return sent, false, nil
		}
		if err != nil {
			return sent, false, err
		}
		err = s.sendBatch(p, rec)
		sent += rec.NumRows()
		rec.Release()
		if err != nil {
			return sent, false, err
		}
	}
	return sent, true, nil // PostgreSQL does not look whether another row would come
}

func (s *session) sendBatch(p *portal, rec recordBatch) error {
	if p.enc == nil {
		enc, err := newRowEncoder(p.plan.columns, rec.Schema(), p.formats, s.style())
		if err != nil {
			return err
		}
		p.enc = enc
	}
	s.srv.metrics.rows.Add(float64(rec.NumRows()))
	return p.enc.encode(s.wire, rec)
}
