package pgwire

import (
	"context"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// command is one parsed statement. It does not change: a prepared statement may
// be planned and run many times.
type command interface {
	// plan finds out what parameters and columns the command has. oids are the
	// parameter types that the client declared, 0 where it did not.
	plan(ctx context.Context, s *session, oids []uint32) (*plan, error)
}

// rescuer marks the commands that a failed transaction still accepts.
type rescuer interface{ rescues() }

// plan is a command that is ready to run.
type plan struct {
	params  []param            // of $1, $2, …
	columns []statement.Column // nil when the command returns no rows
	run     func(ctx context.Context, args []any) (*result, error)
	stable  bool // it may be kept: columns do not depend on the session's state
	binary  bool // rows are binary whatever the client asks: FETCH from a BINARY cursor
	copies  bool // rows go out as COPY data, not as rows
}

// param is one parameter of a plan.
type param struct {
	oid uint32 // as the client sends it
	typ statement.Type
}

// result is what running a plan gave.
type result struct {
	tag    string    // of CommandComplete
	counts bool      // the tag is followed by the number of rows
	rows   rowSource // nil when there are none
	copy   *copyOptions
}

// complete returns the text of CommandComplete after that many rows.
func (r *result) complete(rows int64) string {
	if r.counts {
		return r.tag + " " + strconv.FormatInt(rows, 10)
	}
	return r.tag
}

// rowSource is the part of statement.Rows that this package needs; its contract
// is there.
type rowSource interface {
	Next(ctx context.Context) (arrow.RecordBatch, error)
	Close()
}

// action is a command without rows and parameters: a step in the session.
type action struct {
	tag string
	do  func(ctx context.Context, s *session) error
}

func (a *action) plan(_ context.Context, s *session, _ []uint32) (*plan, error) {
	return &plan{run: func(ctx context.Context, _ []any) (*result, error) {
		if err := a.do(ctx, s); err != nil {
			return nil, err
		}
		return &result{tag: a.tag}, nil
	}}, nil
}

// parsers has the reader of each command of the session layer by its first
// keyword, which was taken already.
var parsers map[string]func(p *parser) (command, error)

func init() { // a literal would refer to itself: DECLARE, PREPARE and COPY hold commands
	parsers = map[string]func(p *parser) (command, error){
		"begin": parseBegin, "start": parseStart,
		"commit": parseCommit, "end": parseCommit,
		"rollback": parseRollback, "abort": parseRollback,
		"savepoint": parseSavepoint, "release": parseRelease,
		"set": parseSet, "reset": parseReset, "show": parseShow, "discard": parseDiscard,
		"declare": parseDeclare, "fetch": parseFetch, "move": parseMove, "close": parseClose,
		"prepare": parsePrepare, "execute": parseExecute, "deallocate": parseDeallocate,
		"copy":   parseCopy,
		"listen": parseListen, "unlisten": parseUnlisten,
		"select": parseSelect, "explain": parseExplain,
	}
}

// parseCommand reads one statement, which is not empty.
func parseCommand(text string) (command, error) {
	p := newParser(text)
	keyword := p.word()
	if err := refuseWrite(keyword); err != nil {
		return nil, err
	}
	parse, ok := parsers[keyword]
	if !ok {
		return &query{text: text, tag: "SELECT"}, nil
	}
	p.advance()
	return parse(p)
}
