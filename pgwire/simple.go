package pgwire

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"
)

// simpleQuery answers a Query: its statements one after the other, up to the first
// that fails, as one transaction if no block is open; then one ReadyForQuery.
func (s *session) simpleQuery(ctx context.Context, text string) error {
	s.dropPortal("")
	delete(s.prepared, "")
	err := s.runAll(ctx, text)
	ok := err == nil
	if err != nil {
		if err := s.fail(err); err != nil {
			return err
		}
	}
	s.finishImplicit(ok)
	s.several = false
	s.ready()
	return nil
}

func (s *session) runAll(ctx context.Context, text string) error {
	if err := checkText(text); err != nil {
		return err
	}
	split := newSplitter(text)
	p, more := split.next()
	if !more {
		s.wire.send(&pgproto3.EmptyQueryResponse{})
		return nil
	}
	for more {
		following, ok := split.next()
		s.several = s.several || ok
		start := time.Now()
		err := s.limited(ctx, func(ctx context.Context) error {
			return s.runSimple(ctx, text[p.start:p.end])
		})
		s.srv.metrics.ended(time.Since(start), asPGError(err))
		if err != nil {
			return shifted(err, utf8.RuneCountInString(text[:p.start]))
		}
		p, more = following, ok
	}
	return nil
}

// runSimple runs one statement from its text to CommandComplete.
func (s *session) runSimple(ctx context.Context, text string) error {
	cmd, err := s.understand(text)
	if err != nil {
		return err
	}
	pl, err := cmd.plan(ctx, s, nil)
	if err != nil {
		return err
	}
	if len(pl.params) > 0 {
		return errorf(stateUndefinedParameter, "there is no parameter $1")
	}
	p := s.newPortal("", pl)
	defer p.close()
	if err := p.start(ctx); err != nil {
		return err
	}
	if pl.columns != nil && p.res.copy == nil {
		s.wire.send(p.description())
	}
	_, err = s.stream(ctx, p, 0)
	return err
}

// understand parses a statement and checks that the transaction takes it.
func (s *session) understand(text string) (command, error) {
	if len(text) > maxStatementBytes {
		return nil, errorf(stateProgramLimit, "statement has %d bytes, the limit is %d", len(text), maxStatementBytes)
	}
	cmd, err := parseCommand(text)
	if err != nil {
		return nil, err
	}
	if err := s.checkFailed(cmd); err != nil {
		return nil, err
	}
	s.begin()
	return cmd, nil
}

// maxStatementBytes is the longest statement that is looked at; the SQL layer's
// own limit is lower.
const maxStatementBytes = 1 << 20

// checkFailed refuses what a failed transaction does not take.
func (s *session) checkFailed(cmd command) error {
	if _, ok := cmd.(rescuer); !ok && s.txn.status == txnFailed {
		return errorf(stateFailedTransaction, "current transaction is aborted, commands ignored until end of transaction block")
	}
	return nil
}

// checkText refuses bytes that are no text.
func checkText(text string) error {
	if !utf8.ValidString(text) {
		return errorf(stateInvalidEncoding, `invalid byte sequence for encoding "UTF8"`)
	}
	return nil
}
