package pgwire

import (
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"
)

// prepared is a statement that a client named, by Parse or by PREPARE.
type prepared struct {
	cmd   command // nil for an empty text
	plan  *plan
	oids  []uint32 // parameter types that the client declared
	shift int      // characters before the statement in the text that the client sent
}

// extended handles one message of the extended protocol. After an error all
// messages up to Sync are ignored.
func (s *session) extended(ctx context.Context, do func(ctx context.Context) error) error {
	err := do(ctx)
	if err == nil {
		return nil
	}
	s.skipping = true
	if err := s.fail(err); err != nil {
		return err
	}
	s.finishImplicit(false)
	return nil
}

// sync ends a sequence of extended messages, and with it an implicit transaction.
func (s *session) sync() {
	s.finishImplicit(!s.skipping)
	s.skipping = false
	s.ready()
}

// parse handles Parse.
func (s *session) parse(ctx context.Context, m *pgproto3.Parse) error {
	if m.Name == "" {
		delete(s.prepared, "")
	}
	if err := s.checkNewStatement(m.Name); err != nil {
		return err
	}
	st, err := s.prepareText(ctx, m.Query, m.ParameterOIDs)
	if err != nil {
		return err
	}
	s.prepared[m.Name] = st
	s.wire.send(&pgproto3.ParseComplete{})
	return nil
}

// prepareText prepares the one statement of a text, or none.
func (s *session) prepareText(ctx context.Context, text string, oids []uint32) (*prepared, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	split := newSplitter(text)
	p, ok := split.next()
	if !ok {
		return &prepared{plan: &plan{}}, nil
	}
	if second, ok := split.next(); ok {
		return nil, errorf(stateSyntaxError, "cannot insert multiple commands into a prepared statement").at(text, second.start)
	}
	st := &prepared{oids: slices.Clone(oids), shift: utf8.RuneCountInString(text[:p.start])}
	err := s.limited(ctx, func(ctx context.Context) (err error) {
		if st.cmd, err = s.understand(text[p.start:p.end]); err != nil {
			return err
		}
		st.plan, err = st.cmd.plan(ctx, s, st.oids)
		return err
	})
	return st, shifted(err, st.shift)
}

// checkNewStatement refuses a name that is taken, or one too many.
func (s *session) checkNewStatement(name string) error {
	if _, taken := s.prepared[name]; taken {
		return errorf(stateDuplicateStatement, "prepared statement %q already exists", clip(name))
	}
	if len(s.prepared) >= maxNames {
		return errorf(stateConfigurationLimit, "too many prepared statements: the limit is %d", maxNames)
	}
	return nil
}

func (s *session) findStatement(name string) (*prepared, error) {
	if st, ok := s.prepared[name]; ok {
		return st, nil
	}
	if name == "" {
		return nil, errorf(stateUndefinedStatement, "unnamed prepared statement does not exist")
	}
	return nil, errorf(stateUndefinedStatement, "prepared statement %q does not exist", clip(name))
}

func (s *session) findPortal(name string) (*portal, error) {
	if p, ok := s.portals[name]; ok {
		return p, nil
	}
	return nil, errorf(stateUndefinedCursor, "portal %q does not exist", clip(name))
}

// bind handles Bind.
func (s *session) bind(ctx context.Context, m *pgproto3.Bind) error {
	st, err := s.findStatement(m.PreparedStatement)
	if err != nil {
		return err
	}
	if st.cmd != nil {
		if err := s.checkFailed(st.cmd); err != nil {
			return err
		}
	}
	if _, taken := s.portals[m.DestinationPortal]; taken && m.DestinationPortal != "" {
		return errorf(stateDuplicateCursor, "portal %q already exists", clip(m.DestinationPortal))
	}
	if len(s.portals) >= maxNames {
		return errorf(stateConfigurationLimit, "too many portals: the limit is %d", maxNames)
	}
	pl, err := s.freshPlan(ctx, st)
	if err != nil {
		return err
	}
	p := s.newPortal(m.DestinationPortal, pl)
	p.cmd = st.cmd
	if p.args, err = s.decodeArgs(m, pl.params); err != nil {
		return err
	}
	if err := p.setFormats(m.ResultFormatCodes); err != nil {
		return err
	}
	s.begin()
	s.dropPortal(m.DestinationPortal)
	s.portals[m.DestinationPortal] = p
	s.wire.send(&pgproto3.BindComplete{})
	return nil
}

// freshPlan is the statement's plan, made again if it depends on the session.
func (s *session) freshPlan(ctx context.Context, st *prepared) (*plan, error) {
	if st.cmd == nil || st.plan.stable {
		return st.plan, nil
	}
	pl, err := st.cmd.plan(ctx, s, st.oids)
	return pl, shifted(err, st.shift)
}

// describe handles Describe.
func (s *session) describe(ctx context.Context, m *pgproto3.Describe) error {
	if m.ObjectType == 'P' {
		return s.describePortal(m.Name)
	}
	st, err := s.findStatement(m.Name)
	if err != nil {
		return err
	}
	pl, err := s.freshPlan(ctx, st)
	if err != nil {
		return err
	}
	if pl.columns != nil {
		if err := s.checkFailed(st.cmd); err != nil {
			return err
		}
	}
	oids := make([]uint32, len(pl.params))
	for i, p := range pl.params {
		oids[i] = p.oid
	}
	s.wire.send(&pgproto3.ParameterDescription{ParameterOIDs: oids})
	s.sendDescription(pl, nil)
	return nil
}

func (s *session) describePortal(name string) error {
	p, err := s.findPortal(name)
	if err != nil {
		return err
	}
	s.sendDescription(p.plan, p.formats)
	return nil
}

func (s *session) sendDescription(pl *plan, formats []int16) {
	if pl.columns == nil || pl.copies {
		s.wire.send(&pgproto3.NoData{})
		return
	}
	s.wire.send(rowDescription(pl.columns, formats))
}

// execute handles Execute.
func (s *session) execute(ctx context.Context, m *pgproto3.Execute) error {
	p, err := s.findPortal(m.Portal)
	if err != nil {
		return err
	}
	if p.plan.run == nil {
		s.wire.send(&pgproto3.EmptyQueryResponse{})
		return nil
	}
	if p.cmd != nil {
		if err := s.checkFailed(p.cmd); err != nil {
			return err
		}
	}
	start := time.Now()
	err = s.limited(ctx, func(ctx context.Context) error { return s.runPortal(ctx, p, int64(m.MaxRows)) })
	s.srv.metrics.ended(time.Since(start), asPGError(err))
	return err
}

// runPortal runs a portal for at most that many rows; 0 is all.
func (s *session) runPortal(ctx context.Context, p *portal, most int64) error {
	if !p.started() {
		if err := p.start(ctx); err != nil {
			return err
		}
	} else if p.rows == nil || p.res.copy != nil {
		return errorf(stateNotInPrerequisiteState, "portal %q cannot be run", clip(p.name))
	}
	suspended, err := s.stream(ctx, p, most)
	if err == nil && suspended {
		err = p.rows.readAhead(ctx)
	}
	return err
}

// closeNamed handles Close. Unknown names are fine.
func (s *session) closeNamed(m *pgproto3.Close) error {
	if m.ObjectType == 'P' {
		s.dropPortal(m.Name)
	} else {
		delete(s.prepared, m.Name)
	}
	s.wire.send(&pgproto3.CloseComplete{})
	return nil
}
