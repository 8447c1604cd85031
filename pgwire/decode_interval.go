package pgwire

import (
	"math"
	"strconv"
	"strings"

	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// span is an interval while its parts are added up.
type span struct{ months, days, micros float64 }

// spanUnits are the units of intervals, by their names without a plural s.
var spanUnits = map[string]span{
	"microsecond": {micros: 1}, "usec": {micros: 1}, "us": {micros: 1},
	"millisecond": {micros: 1e3}, "msec": {micros: 1e3}, "ms": {micros: 1e3},
	"second": {micros: 1e6}, "sec": {micros: 1e6}, "s": {micros: 1e6},
	"minute": {micros: 60e6}, "min": {micros: 60e6}, "m": {micros: 60e6},
	"hour": {micros: 3600e6}, "hr": {micros: 3600e6}, "h": {micros: 3600e6},
	"day": {days: 1}, "d": {days: 1}, "week": {days: 7}, "w": {days: 7},
	"month": {months: 1}, "mon": {months: 1}, "year": {months: 12}, "yr": {months: 12}, "y": {months: 12},
	"decade": {months: 120}, "century": {months: 1200}, "centurie": {months: 1200}, "millennium": {months: 12000},
}

// isoDateUnits and isoTimeUnits are those of P1Y2M3DT4H5M6S.
var (
	isoDateUnits = map[byte]string{'Y': "year", 'M': "month", 'W': "week", 'D': "day"}
	isoTimeUnits = map[byte]string{'H': "hour", 'M': "minute", 'S': "second"}
)

// intervalFromText reads 1 year 2 mons -3 days +04:05:06.7 [ago], or ISO 8601.
func intervalFromText(s string) (v statement.IntervalValue, ok bool) {
	if strings.HasPrefix(s, "P") {
		return isoInterval(s[1:])
	}
	fields := strings.Fields(strings.ToLower(strings.TrimPrefix(s, "@")))
	if len(fields) == 0 {
		return v, false
	}
	sign := 1.0
	if fields[len(fields)-1] == "ago" {
		sign, fields = -1, fields[:len(fields)-1]
	}
	var sum span
	for i := 0; i < len(fields); i++ {
		if micros, ok := signedClock(fields[i]); ok {
			sum.micros += micros
			continue
		}
		number, unit := cutNumber(fields[i])
		if unit == "" {
			if i++; i < len(fields) {
				unit = fields[i]
			} else {
				unit = "s" // a number alone counts seconds
			}
		}
		if !sum.add(number, unit) {
			return v, false
		}
	}
	return sum.value(sign)
}

// add adds a number of units.
func (s *span) add(number, unit string) bool {
	n, err := strconv.ParseFloat(number, 64)
	u, ok := spanUnits[unit]
	if !ok {
		u, ok = spanUnits[strings.TrimSuffix(unit, "s")]
	}
	if err != nil || !ok {
		return false
	}
	s.months += n * u.months
	s.days += n * u.days
	s.micros += n * u.micros
	return true
}

// value rounds to what an interval holds; fractions go to the next smaller unit, a
// month having 30 days.
func (s *span) value(sign float64) (v statement.IntervalValue, ok bool) {
	months, part := math.Modf(s.months)
	days, rest := math.Modf(s.days + math.Round(part*30*1e6)/1e6)
	micros := math.Round(s.micros + rest*microsPerDay)
	if math.Abs(months) > math.MaxInt32 || math.Abs(days) > math.MaxInt32 || math.Abs(micros) > math.MaxInt64/2 {
		return v, false
	}
	if math.IsNaN(months) || math.IsNaN(days) || math.IsNaN(micros) {
		return v, false
	}
	return statement.IntervalValue{Months: int32(sign * months), Days: int32(sign * days), Micros: int64(sign * micros)}, true
}

// signedClock reads [+|-]hours:minutes[:seconds] as microseconds; hours may be
// any number.
func signedClock(s string) (micros float64, ok bool) {
	sign := 1.0
	if strings.HasPrefix(s, "-") {
		sign = -1
	}
	s = strings.TrimLeft(s, "+-")
	parts := strings.Split(s, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, false
	}
	for i, unit := range []float64{3600e6, 60e6, 1e6}[:len(parts)] {
		f, err := strconv.ParseFloat(parts[i], 64)
		if err != nil || f < 0 || i > 0 && f >= 61 {
			return 0, false
		}
		micros += f * unit
	}
	return sign * micros, true
}

// cutNumber splits 1.5h into 1.5 and h.
func cutNumber(s string) (number, unit string) {
	n := strings.IndexFunc(s, func(r rune) bool { return r != '+' && r != '-' && r != '.' && (r < '0' || r > '9') })
	if n < 0 {
		return s, ""
	}
	return s[:n], s[n:]
}

// isoInterval reads what follows the P.
func isoInterval(s string) (v statement.IntervalValue, ok bool) {
	var sum span
	units := isoDateUnits
	for s != "" {
		if s[0] == 'T' {
			units, s = isoTimeUnits, s[1:]
			continue
		}
		number, rest := cutNumber(s)
		if rest == "" || !sum.add(number, units[rest[0]]) {
			return v, false
		}
		s = rest[1:]
	}
	return sum.value(1)
}
