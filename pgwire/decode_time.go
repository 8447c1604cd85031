package pgwire

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/sql/lex"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// temporalNames are the types' names in messages.
var temporalNames = map[uint32]string{
	oidDate: "date", oidTime: "time", oidTimestamp: "timestamp", oidTimestampTZ: "timestamp with time zone", oidInterval: "interval",
}

// temporalFromText reads dates and times as drivers write them: ISO 8601 and
// PostgreSQL's own output, and the special words.
func (d *decoder) temporalFromText(oid uint32, s string) (any, error) {
	text := strings.TrimSpace(s)
	var v any
	var ok bool
	switch oid {
	case oidInterval:
		v, ok = intervalFromText(text)
	case oidTime:
		var micros int64
		micros, text, ok = cutClock(text)
		_, rest, _ := cutOffset(strings.TrimSpace(text))
		ok = ok && rest == ""
		v = time.Duration(micros) * time.Microsecond
	default:
		v, ok = d.timestampFromText(oid, text)
	}
	if !ok {
		return nil, errorf(stateInvalidDatetime, "invalid input syntax for type %s: %q", temporalNames[oid], clip(s))
	}
	return v, nil
}

// timestampFromText reads a date, a time and an offset, as far as they are there.
func (d *decoder) timestampFromText(oid uint32, text string) (any, bool) {
	if v, ok := d.special(oid, strings.ToLower(text)); ok {
		return v, true
	}
	text, bc := cutEra(text)
	year, month, day, rest, ok := d.cutDate(text)
	if !ok {
		return nil, false
	}
	if bc {
		year = 1 - year
	}
	micros := int64(0)
	if rest = strings.TrimPrefix(strings.TrimLeft(rest, " "), "T"); rest != "" {
		if micros, rest, ok = cutClock(rest); !ok {
			return nil, false
		}
	}
	offset, rest, hasOffset := cutOffset(strings.TrimSpace(rest))
	if rest != "" {
		return nil, false
	}
	if oid == oidDate {
		micros = 0
	}
	loc := time.UTC
	if oid == oidTimestampTZ && !hasOffset {
		loc = d.loc
	}
	t := time.Date(year, time.Month(month), day, 0, 0, int(micros/microsPerSecond), int(micros%microsPerSecond)*1000, loc)
	if oid == oidTimestampTZ && hasOffset {
		t = t.Add(-time.Duration(offset) * time.Second)
	}
	return t.UTC(), true
}

// special reads the words that stand for times.
func (d *decoder) special(oid uint32, word string) (any, bool) {
	day := 0
	switch word {
	case "infinity", "+infinity":
		return statement.Infinity(1), true
	case "-infinity":
		return statement.Infinity(-1), true
	case "epoch":
		return time.Unix(0, 0).UTC(), true
	case "now":
		return d.clock(oid, d.now), true
	case "today":
	case "tomorrow":
		day = 1
	case "yesterday":
		day = -1
	default:
		return nil, false
	}
	y, m, dd := d.now.In(d.loc).Date()
	return d.clock(oid, time.Date(y, m, dd+day, 0, 0, 0, 0, d.loc)), true
}

// clock is an instant as a value of the type: what the session's clock shows, for
// types without a zone.
func (d *decoder) clock(oid uint32, t time.Time) time.Time {
	if oid == oidTimestampTZ {
		return t.UTC()
	}
	t = t.In(d.loc)
	y, m, day := t.Date()
	if oid == oidDate {
		return time.Date(y, m, day, 0, 0, 0, 0, time.UTC)
	}
	return time.Date(y, m, day, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// cutEra takes BC or AD from the end.
func cutEra(s string) (rest string, bc bool) {
	upper := strings.ToUpper(s)
	for _, era := range []string{"BC", "AD"} {
		if strings.HasSuffix(upper, era) {
			return strings.TrimSpace(s[:len(s)-2]), era == "BC"
		}
	}
	return s, false
}

// cutDate takes 2026-01-31, 2026/01/31, 20260131, or 1/31/2026 in the session's
// order.
func (d *decoder) cutDate(s string) (year, month, day int, rest string, ok bool) {
	n := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if n < 0 {
		n = len(s)
	}
	if n == 8 {
		return checkDate(atoi(s[:4]), atoi(s[4:6]), atoi(s[6:8]), s[8:])
	}
	if n == len(s) || n == 0 || n > 6 || s[n] != '-' && s[n] != '/' {
		return 0, 0, 0, "", false
	}
	parts := [3]int{}
	rest = s
	for i := range parts {
		var digits string
		digits, rest = cutDigits(rest)
		if digits == "" || len(digits) > 6 {
			return 0, 0, 0, "", false
		}
		parts[i] = atoi(digits)
		if i < 2 {
			if rest == "" || rest[0] != s[n] {
				return 0, 0, 0, "", false
			}
			rest = rest[1:]
		}
	}
	switch {
	case n >= 3:
		return checkDate(parts[0], parts[1], parts[2], rest)
	case d.dmy:
		return checkDate(parts[2], parts[1], parts[0], rest)
	}
	return checkDate(parts[2], parts[0], parts[1], rest)
}

// checkDate refuses days that no calendar has.
func checkDate(year, month, day int, rest string) (int, int, int, string, bool) {
	ok := month >= 1 && month <= 12 && day >= 1 && time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Day() == day
	return year, month, day, rest, ok
}

func cutDigits(s string) (digits, rest string) {
	n := 0
	for n < len(s) && lex.IsDigit(s[n]) {
		n++
	}
	return s[:n], s[n:]
}

// cutClock takes 15:04, 15:04:05 or 15:04:05.999999 as microseconds, at most 24:00.
func cutClock(s string) (micros int64, rest string, ok bool) {
	var parts [3]int64
	rest = s
	for i := range parts {
		var digits string
		digits, rest = cutDigits(rest)
		if digits == "" || len(digits) > 2 {
			return 0, "", false
		}
		parts[i] = int64(atoi(digits))
		if rest == "" || rest[0] != ':' {
			if i == 0 {
				return 0, "", false
			}
			break
		}
		if i < 2 {
			rest = rest[1:]
		}
	}
	micros = ((parts[0]*60+parts[1])*60 + parts[2]) * microsPerSecond
	if strings.HasPrefix(rest, ".") {
		var digits string
		digits, rest = cutDigits(rest[1:])
		micros += fraction(digits)
	}
	return micros, rest, parts[1] < 60 && parts[2] <= 60 && micros <= microsPerDay
}

// fraction rounds the digits after a point to microseconds.
func fraction(digits string) int64 {
	f, _ := strconv.ParseFloat("0."+digits+"0", 64)
	return int64(math.Round(f * microsPerSecond))
}

// cutOffset takes Z, +02, -0330 or +02:00 as seconds.
func cutOffset(s string) (sec int, rest string, ok bool) {
	switch {
	case s == "":
		return 0, "", false
	case s[0] == 'Z' || s[0] == 'z':
		return 0, s[1:], true
	case strings.HasPrefix(strings.ToUpper(s), "UTC"):
		return 0, s[3:], true
	case s[0] != '+' && s[0] != '-':
		return 0, s, false
	}
	sign := 1
	if s[0] == '-' {
		sign = -1
	}
	digits, rest := cutDigits(s[1:])
	if len(digits) == 4 {
		return sign * (atoi(digits[:2])*3600 + atoi(digits[2:])*60), rest, true
	}
	if digits == "" || len(digits) > 2 {
		return 0, s, false
	}
	sec = atoi(digits) * 3600
	for unit := 60; unit > 0 && strings.HasPrefix(rest, ":"); unit /= 60 {
		var more string
		more, rest = cutDigits(rest[1:])
		if len(more) != 2 {
			return 0, s, false
		}
		sec += atoi(more) * unit
	}
	return sign * sec, rest, true
}
