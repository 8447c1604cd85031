package statement

import (
	"context"
	"regexp"
	"slices"
	"strconv"

	"github.com/stackhouse-db/stackhouse/sql/lex"
	"github.com/stackhouse-db/stackhouse/sql/worker"
)

// PostgreSQL reads '2026-03-01 10:00+00', DuckDB wants seconds before a zone. A
// literal that stands for a time gets them; one that is text stays as it is,
// whatever it looks like.

// shortTime is a time of day without seconds, and a zone.
var shortTime = regexp.MustCompile(`^(\s*[0-9]+-[0-9]+-[0-9]+[ T][0-9]{1,2}:[0-9]{2})\s*(?:[+-][0-9:]+|[A-Za-z][A-Za-z_/+-]*[0-9]*)\s*$`)

// timeTypes are the types whose text may lack seconds.
var timeTypes = map[string]bool{TimestampTZ: true, Timestamp: true, TimestampS: true, TimestampMS: true, TimestampNS: true, Date: true}

// lengthenTimes adds seconds to the literals that stand for times, and reports
// whether there are any. The statement was described before.
//
// What a literal stands for is what DuckDB infers for a parameter in its place.
func (p *prepared) lengthenTimes(ctx context.Context, planner *worker.Planner) bool {
	text := p.source.text
	ts := lex.Tokens(text)
	var found, longer []edit
	var places []int // in found: the literals that are asked about
	for i, t := range ts {
		if t.Kind != lex.String || text[t.Start] != '\'' {
			continue
		}
		m := shortTime.FindStringSubmatch(text[t.Start+1 : t.End-1])
		if m == nil {
			continue
		}
		at := t.Start + 1 + len(m[1])
		e := edit{at, at, ":00"}
		if isTimeWord(text, ts, i-1) || isCast(text, ts, i) {
			longer = append(longer, e)
			continue
		}
		found = append(found, edit{t.Start, t.End, "$" + strconv.Itoa(len(p.params)+len(places)+1)})
		places = append(places, at)
	}
	if len(found) > 0 {
		longer = append(longer, p.askTypes(ctx, planner, found, places)...)
	}
	if len(longer) == 0 {
		return false
	}
	changed := apply(text, longer)
	back := p.source.back
	p.source.text = changed.text
	p.source.back = func(at int) int { return back(changed.back(at)) }
	return true
}

// isTimeWord reports whether the i-th token is, or ends, the name of a type of times:
// TIMESTAMPTZ '…', TIMESTAMP WITH TIME ZONE '…'.
func isTimeWord(text string, ts []lex.Token, i int) bool {
	return i >= 0 && i < len(ts) && slices.Contains([]string{"timestamp", "timestamptz", "zone"}, ts[i].Word(text))
}

// isCast reports whether the literal at i is cast to a time: '…'::timestamptz,
// CAST('…' AS timestamp).
func isCast(text string, ts []lex.Token, i int) bool {
	after := ts[i+1:]
	if len(after) > 1 && after[0].Is(text, "::") {
		return isTimeWord(text, after, 1)
	}
	return i > 1 && slices.Contains([]string{"cast", "try_cast"}, ts[i-2].Word(text)) &&
		len(after) > 1 && after[0].Word(text) == "as" && isTimeWord(text, after, 1)
}

// askTypes describes the text with parameters in the place of literals, and returns
// the edits of those that stand for times.
func (p *prepared) askTypes(ctx context.Context, planner *worker.Planner, literals []edit, places []int) (longer []edit) {
	e := apply(p.source.text, append(p.typedParams(), literals...))
	d, err := planner.Describe(ctx, e.text)
	if err != nil {
		return nil // it is as it was before
	}
	for _, param := range d.Params {
		n, err := strconv.Atoi(param.Name)
		if i := n - len(p.params) - 1; err == nil && i >= 0 && i < len(places) && timeTypes[param.Type.Name] {
			longer = append(longer, edit{places[i], places[i], ":00"})
		}
	}
	return longer
}
