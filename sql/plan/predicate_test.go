package plan

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// row is what predicates are about.
type row struct {
	service, profileType string
	time                 warehouse.Micros
}

// holds evaluates a predicate on a row, as SQL does.
func holds(p *Predicate, r row) bool {
	switch p.op {
	case anything:
		return true
	case all:
		for i := range p.children {
			if !holds(&p.children[i], r) {
				return false
			}
		}
		return true
	case some:
		for i := range p.children {
			if holds(&p.children[i], r) {
				return true
			}
		}
		return false
	}
	return p.MayHold(r.service, r.profileType, warehouse.TimeRange{From: r.time, To: r.time})
}

var words = []string{"", "a", "ab", "b"}

func randomPredicate(rng *rand.Rand, depth int) Predicate {
	if depth > 0 && rng.IntN(2) == 0 {
		var ps []Predicate
		for range rng.IntN(4) {
			ps = append(ps, randomPredicate(rng, depth-1))
		}
		if rng.IntN(2) == 0 {
			return and(ps...)
		}
		return or(ps...)
	}
	p := Predicate{column: column(rng.IntN(3))}
	if p.column == columnTime {
		p.op, p.time = equal+operation(rng.IntN(6)), warehouse.Micros(rng.IntN(8))
		switch rng.IntN(20) {
		case 0:
			p.time = math.MaxInt64
		case 1:
			p.time = math.MinInt64
		}
		return p
	}
	p.op, p.text = equal+operation(rng.IntN(7)), words[rng.IntN(len(words))]
	return p
}

// TestPredicateNeverLosesARow: what a predicate says of a dataset, of a service and
// in its hull is true of every row that satisfies it.
func TestPredicateNeverLosesARow(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	held, dropped := 0, 0
	for range 20_000 {
		p := randomPredicate(rng, 3)
		r := row{words[rng.IntN(4)], words[rng.IntN(4)], warehouse.Micros(rng.IntN(8))}
		span := warehouse.TimeRange{From: r.time - warehouse.Micros(rng.IntN(3)), To: r.time + warehouse.Micros(rng.IntN(3))}
		hull := p.Hull()
		if holds(&p, r) {
			held++
			require.True(t, p.MayHold(r.service, r.profileType, span), "%s on %v", p.String(), r)
			require.True(t, p.MayHoldService(r.service), "%s on %v", p.String(), r)
			require.True(t, hull.Contains(r.time), "%s on %v: hull %v", p.String(), r, hull)
		} else if !p.MayHold(r.service, r.profileType, span) {
			dropped++
		}
	}
	require.Greater(t, held, 1000)
	require.Greater(t, dropped, 1000, "predicates leave something out")
}

func TestPredicateIsExactOnNames(t *testing.T) {
	t.Parallel()
	p := and(
		or(Predicate{op: equal, column: columnService, text: "a"}, Predicate{op: prefix, column: columnService, text: "bc"}),
		Predicate{op: greaterEqual, column: columnTime, time: 10},
		Predicate{op: notEqual, column: columnType, text: "x"},
	)
	require.Equal(t, "(service_name = 'a' or service_name like 'bc%') and time >= '1970-01-01T00:00:00.000010Z' and profile_type <> 'x'", p.String())
	at := func(from, to warehouse.Micros) warehouse.TimeRange { return warehouse.TimeRange{From: from, To: to} }
	require.True(t, p.MayHold("a", "y", at(5, 10)))
	require.True(t, p.MayHold("bcd", "y", at(20, 30)))
	require.False(t, p.MayHold("a", "y", at(5, 9)))
	require.False(t, p.MayHold("a", "x", at(5, 10)))
	require.False(t, p.MayHold("b", "y", at(5, 10)))
	require.Equal(t, at(10, math.MaxInt64), p.Hull())
	require.True(t, p.MayHoldService("bc"))
	require.False(t, p.MayHoldService("c"))
	always, never := and(), or()
	require.Equal(t, "true", always.String())
	require.Equal(t, "true", never.String())
}
