package warehouse

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MatchOp is how a matcher compares.
type MatchOp uint8

// The operators =, !=, =~ and !~.
const (
	MatchEqual MatchOp = iota
	MatchNotEqual
	MatchRegexp
	MatchNotRegexp
)

// String returns the operator's text.
func (o MatchOp) String() string { return [...]string{"=", "!=", "=~", "!~"}[o&3] }

// Matcher accepts or refuses one label's value. Regular expressions are RE2 and
// match the whole value, as in Prometheus.
type Matcher struct {
	Name  string
	Op    MatchOp
	Value string
	re    *regexp.Regexp
}

// NewMatcher returns a matcher, or an Invalid error for a bad expression.
func NewMatcher(name string, op MatchOp, value string) (Matcher, error) {
	m := Matcher{Name: name, Op: op, Value: value}
	if op == MatchRegexp || op == MatchNotRegexp {
		re, err := regexp.Compile("^(?s:" + value + ")$")
		if err != nil {
			return Matcher{}, Errorf(Invalid, "selector: label %q: regular expression %q: %w", name, value, err)
		}
		m.re = re
	}
	return m, nil
}

// Matches reports whether the matcher accepts the value.
func (m Matcher) Matches(value string) bool {
	switch m.Op {
	case MatchEqual:
		return value == m.Value
	case MatchNotEqual:
		return value != m.Value
	case MatchRegexp:
		return m.re.MatchString(value)
	default:
		return !m.re.MatchString(value)
	}
}

// String returns the matcher's text.
func (m Matcher) String() string {
	var b strings.Builder
	if isBareLabelName(m.Name) {
		b.WriteString(m.Name)
	} else {
		appendQuoted(&b, m.Name)
	}
	b.WriteString(m.Op.String())
	appendQuoted(&b, m.Value)
	return b.String()
}

// MaxSelectorBytes is the longest selector that is parsed.
const MaxSelectorBytes = 64 << 10

// Selector is a parsed selector: the profile type in front of the braces, if
// any, and the matchers.
type Selector struct {
	Type     string // text before the brace, not checked; usually empty
	Matchers []Matcher
}

// ParseSelector parses Prometheus' matcher syntax, {name="value", other=~"re.*"},
// with an optional profile type in front of it. Names may be quoted to hold any
// UTF-8; {} accepts every series; empty text is an error, as in Pyroscope.
func ParseSelector(text string) (Selector, error) {
	if len(text) > MaxSelectorBytes {
		return Selector{}, Errorf(Invalid, "selector has %d bytes, the limit is %d", len(text), MaxSelectorBytes)
	}
	if !utf8.ValidString(text) {
		return Selector{}, Errorf(Invalid, "selector is not valid UTF-8")
	}
	if strings.TrimSpace(text) == "" {
		return Selector{}, Errorf(Invalid, "selector is empty: {} selects every series")
	}
	p := selectorParser{text: text}
	sel, err := p.parse()
	if err != nil {
		return Selector{}, err
	}
	return sel, nil
}

// ParseMatchers is ParseSelector for selectors without a profile type.
func ParseMatchers(text string) ([]Matcher, error) {
	sel, err := ParseSelector(text)
	if err != nil {
		return nil, err
	}
	if sel.Type != "" {
		return nil, Errorf(Invalid, "selector %q: unexpected %q before the brace", text, sel.Type)
	}
	return sel.Matchers, nil
}

type selectorParser struct {
	text string
	pos  int
}

func (p *selectorParser) errorf(format string, args ...any) error {
	return Errorf(Invalid, "selector %q at byte %d: "+format, append([]any{p.text, p.pos}, args...)...)
}

func (p *selectorParser) parse() (Selector, error) {
	var sel Selector
	brace := strings.IndexByte(p.text, '{')
	if brace < 0 {
		return sel, p.errorf("want an opening brace")
	}
	sel.Type = strings.TrimSpace(p.text[:brace])
	p.pos = brace + 1
	for {
		p.space()
		if p.accept("}") {
			break
		}
		m, err := p.matcher()
		if err != nil {
			return sel, err
		}
		sel.Matchers = append(sel.Matchers, m)
		p.space()
		if p.accept(",") {
			continue
		}
		if !p.accept("}") {
			return sel, p.errorf("want a comma or a closing brace")
		}
		break
	}
	p.space()
	if p.pos != len(p.text) {
		return sel, p.errorf("unexpected text after the closing brace")
	}
	return sel, nil
}

func (p *selectorParser) matcher() (Matcher, error) {
	name, err := p.labelName()
	if err != nil {
		return Matcher{}, err
	}
	p.space()
	var op MatchOp
	switch {
	case p.accept("=~"):
		op = MatchRegexp
	case p.accept("!~"):
		op = MatchNotRegexp
	case p.accept("!="):
		op = MatchNotEqual
	case p.accept("="):
		op = MatchEqual
	default:
		return Matcher{}, p.errorf("want =, !=, =~ or !~ after label %q", name)
	}
	p.space()
	value, err := p.quoted()
	if err != nil {
		return Matcher{}, err
	}
	return NewMatcher(name, op, value)
}

func (p *selectorParser) labelName() (string, error) {
	if p.pos < len(p.text) && strings.IndexByte("\"'`", p.text[p.pos]) >= 0 {
		name, err := p.quoted()
		if err == nil && name == "" {
			err = p.errorf("label name is empty")
		}
		return name, err
	}
	start := p.pos
	for p.pos < len(p.text) && isBareNameByte(p.text[p.pos], p.pos == start) {
		p.pos++
	}
	if p.pos == start {
		return "", p.errorf("want a label name")
	}
	return p.text[start:p.pos], nil
}

// quoted reads a string in double, single or back quotes, with Go's escapes.
func (p *selectorParser) quoted() (string, error) {
	if p.pos >= len(p.text) || strings.IndexByte("\"'`", p.text[p.pos]) < 0 {
		return "", p.errorf("want a quoted string")
	}
	quote := p.text[p.pos]
	rest := p.text[p.pos+1:]
	var out strings.Builder
	for len(rest) > 0 {
		if rest[0] == quote {
			p.pos = len(p.text) - len(rest) + 1
			return out.String(), nil
		}
		if quote == '`' {
			out.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		r, multibyte, tail, err := strconv.UnquoteChar(rest, quote)
		if err != nil {
			p.pos = len(p.text) - len(rest)
			return "", p.errorf("bad escape in a quoted string")
		}
		if r < utf8.RuneSelf || !multibyte {
			out.WriteByte(byte(r))
		} else {
			out.WriteRune(r)
		}
		rest = tail
	}
	return "", p.errorf("quoted string is not closed")
}

func (p *selectorParser) space() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *selectorParser) accept(s string) bool {
	if strings.HasPrefix(p.text[p.pos:], s) {
		p.pos += len(s)
		return true
	}
	return false
}

// isBareNameByte reports whether c may stand in an unquoted label name. Dots
// are allowed, since names such as service.name are common in OpenTelemetry.
func isBareNameByte(c byte, first bool) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_', c == '.':
		return true
	case '0' <= c && c <= '9':
		return !first
	}
	return false
}

func isBareLabelName(s string) bool {
	for i := range len(s) {
		if !isBareNameByte(s[i], i == 0) {
			return false
		}
	}
	return s != ""
}

func appendQuoted(b *strings.Builder, s string) {
	b.WriteString(strconv.Quote(s))
}
