package pgwire

import (
	"context"
	"slices"
	"time"

	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// The transaction states that ReadyForQuery tells.
const (
	txnIdle   = 'I' // no block; a statement is its own, implicit transaction
	txnOpen   = 'T'
	txnFailed = 'E'
)

// transaction is the state of the current transaction, explicit or implicit.
// Nothing is ever written, so that it is little: one snapshot, one time, and what
// to restore when it is rolled back.
type transaction struct {
	status byte

	// Of a transaction that has begun; pin is nil before its first statement.
	pin   *statement.Pin
	now   time.Time
	saved paramState // parameters as they were

	savepoints []savepoint
}

// savepoint is a mark to go back to.
type savepoint struct {
	name    string
	params  paramState
	portals uint64 // session.portalSeq then: later portals go away
}

// begin starts a transaction unless one is running.
func (s *session) begin() {
	if s.txn.pin != nil {
		return
	}
	s.txn.pin = new(statement.Pin)
	s.txn.now = s.srv.opts.Clock()
	s.txn.saved = s.params.save()
}

// finish ends the transaction, and with it the portals that do not outlive it.
func (s *session) finish(commit bool) {
	for name, p := range s.portals {
		if !p.hold || !commit && p.born > s.txnBorn {
			s.dropPortal(name)
		}
	}
	if s.txn.pin != nil {
		s.txn.pin.Close()
		if commit {
			s.params.endLocal()
		} else {
			s.params.restore(s.txn.saved)
		}
	}
	s.txnBorn = s.portalSeq
	s.txn = transaction{status: txnIdle}
}

// finishImplicit ends the transaction of statements outside of a block.
func (s *session) finishImplicit(commit bool) {
	if s.txn.status == txnIdle {
		s.finish(commit)
	}
}

// inBlock reports whether the statement is within BEGIN and COMMIT.
func (s *session) inBlock() bool { return s.txn.status != txnIdle }

// endBlock is an action that a failed transaction accepts.
type endBlock struct{ action }

func (*endBlock) rescues() {}

func parseBegin(p *parser) (command, error) {
	p.acceptAny("work", "transaction")
	return parseModes(p, "BEGIN")
}

func parseStart(p *parser) (command, error) {
	if err := p.expect("transaction"); err != nil {
		return nil, err
	}
	return parseModes(p, "START TRANSACTION")
}

func parseModes(p *parser, tag string) (command, error) {
	modes, err := transactionModes(p)
	if err != nil {
		return nil, err
	}
	return &action{tag: tag, do: func(_ context.Context, s *session) error {
		if s.inBlock() {
			s.warn(stateActiveTransaction, "there is already a transaction in progress")
		}
		s.txn.status = txnOpen
		return s.setModes(modes, "", true)
	}}, nil
}

// mode is a parameter that a transaction mode sets.
type mode struct{ param, value string }

// transactionModes reads [ISOLATION LEVEL …] [READ ONLY|WRITE] [[NOT] DEFERRABLE]
// in any order, with or without commas, to the end.
func transactionModes(p *parser) ([]mode, error) {
	var modes []mode
	for !p.atEnd() {
		m, err := transactionMode(p)
		if err != nil {
			return nil, err
		}
		modes = append(modes, m)
		if p.acceptOp(",") && p.atEnd() {
			return nil, p.syntaxError()
		}
	}
	return modes, nil
}

func transactionMode(p *parser) (mode, error) {
	switch {
	case p.acceptAll("isolation", "level"):
		level, err := isolationLevel(p)
		return mode{"transaction_isolation", level}, err
	case p.acceptAll("read", "only"):
		return mode{"transaction_read_only", "on"}, nil
	case p.acceptAll("read", "write"): // accepted, since drivers send it by default; writes fail all the same
		return mode{"transaction_read_only", "on"}, nil
	case p.acceptAll("not", "deferrable"):
		return mode{"transaction_deferrable", "off"}, nil
	case p.accept("deferrable"):
		return mode{"transaction_deferrable", "on"}, nil
	}
	return mode{}, p.syntaxError()
}

func isolationLevel(p *parser) (string, error) {
	switch {
	case p.accept("serializable"):
		return "serializable", nil
	case p.acceptAll("repeatable", "read"):
		return "repeatable read", nil
	case p.acceptAll("read", "committed"):
		return "read committed", nil
	case p.acceptAll("read", "uncommitted"):
		return "read uncommitted", nil
	}
	return "", p.syntaxError()
}

// setModes sets the parameters of modes, under names that begin with prefix.
func (s *session) setModes(modes []mode, prefix string, local bool) error {
	for _, m := range modes {
		if err := s.params.set(prefix+m.param, m.value, local); err != nil {
			return err
		}
	}
	return nil
}

func parseCommit(p *parser) (command, error) {
	if p.accept("prepared") {
		return nil, errorf(stateFeatureNotSupported, "prepared transactions are not supported")
	}
	chain, err := endOptions(p)
	if err != nil {
		return nil, err
	}
	return &commit{chain: chain}, p.end()
}

// commit is not an action: a failed transaction changes its tag.
type commit struct{ chain bool }

func (*commit) rescues() {}

func (c *commit) plan(_ context.Context, s *session, _ []uint32) (*plan, error) {
	return &plan{run: func(ctx context.Context, _ []any) (*result, error) {
		if s.txn.status == txnFailed {
			return &result{tag: "ROLLBACK"}, s.endBlock(false, c.chain)
		}
		if err := s.holdPortals(ctx); err != nil {
			return nil, err
		}
		return &result{tag: "COMMIT"}, s.endBlock(true, c.chain)
	}}, nil
}

func parseRollback(p *parser) (command, error) {
	if p.accept("prepared") {
		return nil, errorf(stateFeatureNotSupported, "prepared transactions are not supported")
	}
	to := *p
	p.acceptAny("work", "transaction")
	if p.accept("to") {
		p.accept("savepoint")
		return parseNamed(p, "ROLLBACK", (*session).rollbackTo)
	}
	*p = to
	chain, err := endOptions(p)
	if err != nil {
		return nil, err
	}
	return &endBlock{action{tag: "ROLLBACK", do: func(_ context.Context, s *session) error {
		return s.endBlock(false, chain)
	}}}, p.end()
}

// endOptions reads [WORK|TRANSACTION] [AND [NO] CHAIN].
func endOptions(p *parser) (chain bool, err error) {
	p.acceptAny("work", "transaction")
	if !p.accept("and") {
		return false, nil
	}
	chain = !p.accept("no")
	return chain, p.expect("chain")
}

// endBlock ends the block; with chain, another one begins at once.
func (s *session) endBlock(commit, chain bool) error {
	if !s.inBlock() {
		if chain {
			return errorf(stateNoActiveTransaction, "%s AND CHAIN can only be used in transaction blocks", map[bool]string{true: "COMMIT", false: "ROLLBACK"}[commit])
		}
		s.warn(stateNoActiveTransaction, "there is no transaction in progress")
	}
	s.finish(commit)
	if chain {
		s.begin()
		s.txn.status = txnOpen
	}
	return nil
}

func parseSavepoint(p *parser) (command, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	return &action{tag: "SAVEPOINT", do: func(_ context.Context, s *session) error {
		if !s.inBlock() {
			return errorf(stateNoActiveTransaction, "SAVEPOINT can only be used in transaction blocks")
		}
		if len(s.txn.savepoints) >= maxNames {
			return errorf(stateConfigurationLimit, "too many savepoints: the limit is %d", maxNames)
		}
		s.txn.savepoints = append(s.txn.savepoints, savepoint{name, s.params.save(), s.portalSeq})
		return nil
	}}, p.end()
}

func parseRelease(p *parser) (command, error) {
	p.accept("savepoint")
	cmd, err := parseNamed(p, "RELEASE", (*session).release)
	if err != nil {
		return nil, err
	}
	return &cmd.action, nil
}

// parseNamed reads the name of a savepoint, to the end.
func parseNamed(p *parser, tag string, do func(s *session, name string) error) (*endBlock, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	return &endBlock{action{tag: tag, do: func(_ context.Context, s *session) error {
		return do(s, name)
	}}}, p.end()
}

// rollbackTo goes back to a savepoint, which stays. It is what repairs a failed
// transaction.
func (s *session) rollbackTo(name string) error {
	i, err := s.findSavepoint("ROLLBACK TO SAVEPOINT", name)
	if err != nil {
		return err
	}
	sp := s.txn.savepoints[i]
	s.txn.savepoints = s.txn.savepoints[:i+1]
	s.params.restore(sp.params)
	for name, p := range s.portals {
		if p.born > sp.portals {
			s.dropPortal(name)
		}
	}
	s.txn.status = txnOpen
	return nil
}

func (s *session) release(name string) error {
	i, err := s.findSavepoint("RELEASE SAVEPOINT", name)
	if err == nil {
		s.txn.savepoints = s.txn.savepoints[:i]
	}
	return err
}

func (s *session) findSavepoint(verb, name string) (int, error) {
	if !s.inBlock() {
		return 0, errorf(stateNoActiveTransaction, "%s can only be used in transaction blocks", verb)
	}
	for i, sp := range slices.Backward(s.txn.savepoints) {
		if sp.name == name {
			return i, nil
		}
	}
	return 0, errorf(stateInvalidSavepoint, "savepoint %q does not exist", name)
}
