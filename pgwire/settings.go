package pgwire

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/stackhouse-db/stackhouse/sql/lex"
)

// parseSet reads what follows SET.
func parseSet(p *parser) (command, error) {
	local := false
	switch {
	case p.acceptAll("session", "characteristics", "as", "transaction"):
		return parseSetModes(p, "default_")
	case p.acceptAll("session", "authorization"):
		return parseSetUser(p)
	case p.accept("local"):
		local = true
	default:
		p.acceptAll("session") // SESSION is the default
	}
	switch {
	case p.acceptAll("transaction", "snapshot"):
		return nil, errorf(stateFeatureNotSupported, "exported snapshots are not supported")
	case p.accept("transaction"):
		return parseSetModes(p, "")
	case p.acceptAll("time", "zone"):
		return parseSetZone(p, local)
	case p.accept("names"):
		return parseSetValue(p, "client_encoding", local)
	case p.accept("schema"):
		return parseSetValue(p, "search_path", local)
	case p.accept("role"):
		return parseSetValue(p, "role", local)
	case p.accept("constraints"):
		return &action{tag: "SET CONSTRAINTS", do: nothing}, nil
	}
	name, err := p.dottedName()
	if err != nil {
		return nil, err
	}
	if !p.accept("to") && !p.acceptOp("=") {
		return nil, p.syntaxError()
	}
	return parseSetValue(p, name, local)
}

// parseSetValue reads a list of values, or DEFAULT, to the end.
func parseSetValue(p *parser, name string, local bool) (command, error) {
	if p.accept("default") {
		return &action{tag: "SET", do: func(_ context.Context, s *session) error {
			return s.params.reset(name)
		}}, p.end()
	}
	value, err := settingValue(p, name == "search_path")
	if err != nil {
		return nil, err
	}
	return setAction(name, value, local), p.end()
}

func setAction(name, value string, local bool) command {
	return &action{tag: "SET", do: func(_ context.Context, s *session) error {
		if local && !s.inBlock() {
			s.warn(stateNoActiveTransaction, "SET LOCAL can only be used in transaction blocks")
		}
		return s.params.set(name, value, local)
	}}
}

// settingValue joins values with commas; identifiers are quoted where a list of
// names needs it.
func settingValue(p *parser, idents bool) (string, error) {
	var values []string
	for {
		v, err := oneValue(p, idents)
		if err != nil {
			return "", err
		}
		values = append(values, v)
		if !p.acceptOp(",") {
			return strings.Join(values, ", "), nil
		}
	}
}

func oneValue(p *parser, ident bool) (string, error) {
	switch p.tok.Kind {
	case lex.String:
		v, err := p.str()
		if err == nil && ident && v != "" {
			v = quoteIdent(v)
		}
		return v, err
	case lex.Word, lex.Quoted:
		v, err := p.name()
		if err == nil && ident {
			v = quoteIdent(v)
		}
		return v, err
	}
	return signedNumber(p)
}

// signedNumber takes a number as it is written.
func signedNumber(p *parser) (string, error) {
	sign := ""
	if p.acceptOp("-") {
		sign = "-"
	} else {
		p.acceptOp("+")
	}
	if p.tok.Kind != lex.Number {
		return "", p.syntaxError()
	}
	v := sign + p.raw()
	p.advance()
	return v, nil
}

// parseSetZone reads SET TIME ZONE's value: a name, hours or an interval.
func parseSetZone(p *parser, local bool) (command, error) {
	if p.acceptAny("local", "default") != "" {
		return &action{tag: "SET", do: func(_ context.Context, s *session) error {
			return s.params.reset("timezone")
		}}, p.end()
	}
	if p.accept("interval") {
		value, err := p.str()
		if err != nil {
			return nil, err
		}
		p.acceptAll("hour", "to", "minute")
		return setAction("timezone", value, local), p.end()
	}
	return parseSetValue(p, "timezone", local)
}

// parseSetModes reads SET TRANSACTION, or the session's defaults if prefix is
// default_.
func parseSetModes(p *parser, prefix string) (command, error) {
	modes, err := transactionModes(p)
	if err != nil {
		return nil, err
	}
	if len(modes) == 0 {
		return nil, p.syntaxError()
	}
	return &action{tag: "SET", do: func(_ context.Context, s *session) error {
		if prefix == "" && !s.inBlock() {
			s.warn(stateNoActiveTransaction, "SET TRANSACTION can only be used in transaction blocks")
		}
		return s.setModes(modes, prefix, prefix == "")
	}}, nil
}

// parseSetUser accepts only the user that the session has.
func parseSetUser(p *parser) (command, error) {
	if p.accept("default") {
		return &action{tag: "SET", do: nothing}, p.end()
	}
	user, err := oneValue(p, false)
	if err != nil {
		return nil, err
	}
	return &action{tag: "SET", do: func(_ context.Context, s *session) error {
		if user != s.user {
			return errorf(stateInsufficientPrivilege, "permission denied to set session authorization %q", clip(user))
		}
		return nil
	}}, p.end()
}

func parseReset(p *parser) (command, error) {
	if p.accept("all") {
		return &action{tag: "RESET", do: func(_ context.Context, s *session) error {
			s.params.resetAll()
			return nil
		}}, p.end()
	}
	name, err := settingName(p)
	if err != nil {
		return nil, err
	}
	if name == "session_authorization" {
		return &action{tag: "RESET", do: nothing}, p.end()
	}
	return &action{tag: "RESET", do: func(_ context.Context, s *session) error {
		return s.params.reset(name)
	}}, p.end()
}

// settingName reads the names of parameters, some of which are several words.
func settingName(p *parser) (string, error) {
	switch {
	case p.acceptAll("time", "zone"):
		return "timezone", nil
	case p.acceptAll("transaction", "isolation", "level"):
		return "transaction_isolation", nil
	case p.acceptAll("session", "authorization"):
		return "session_authorization", nil
	}
	return p.dottedName()
}

func parseShow(p *parser) (command, error) {
	if p.accept("all") {
		return &showAll{}, p.end()
	}
	name, err := settingName(p)
	if err != nil {
		return nil, err
	}
	return &show{name: name}, p.end()
}

// show is SHOW name.
type show struct{ name string }

func (c *show) plan(_ context.Context, s *session, _ []uint32) (*plan, error) {
	if _, ok := s.params.get(c.name); !ok {
		return nil, unknownParam(c.name)
	}
	title := c.name
	if def, ok := paramDefs[c.name]; ok {
		title = def.name
	}
	return &plan{columns: textColumns(title), run: func(context.Context, []any) (*result, error) {
		return &result{tag: "SHOW", rows: textRows(1, s.params.value(c.name))}, nil
	}}, nil
}

// showAll is SHOW ALL.
type showAll struct{}

func (*showAll) plan(_ context.Context, s *session, _ []uint32) (*plan, error) {
	return &plan{columns: textColumns("name", "setting", "description"), run: func(context.Context, []any) (*result, error) {
		var cells []string
		settings := s.params.settings()
		for _, name := range slices.Sorted(maps.Keys(settings)) {
			def := paramDefs[name]
			if def.name == "" {
				def.name = name
			}
			cells = append(cells, def.name, settings[name], def.desc)
		}
		return &result{tag: "SHOW", rows: textRows(3, cells...)}, nil
	}}, nil
}

func parseDiscard(p *parser) (command, error) {
	what := p.acceptAny("all", "plans", "sequences", "temp", "temporary")
	do := nothing
	switch what {
	case "":
		return nil, p.syntaxError()
	case "temporary":
		what = "temp"
	case "all":
		do = discardAll
	}
	return &action{tag: "DISCARD " + strings.ToUpper(what), do: do}, p.end()
}

// discardAll makes the session as good as new.
func discardAll(_ context.Context, s *session) error {
	if s.inBlock() {
		return errorf(stateActiveTransaction, "DISCARD ALL cannot run inside a transaction block")
	}
	s.closeCursors()
	clear(s.prepared)
	s.params.resetAll()
	return nil
}
