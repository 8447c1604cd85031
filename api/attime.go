package api

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// parseTime parses the time grammar of /ingest and render:
//
//	now, now-1h, now-1d12h, now+5min        relative to now
//	20260131                                a day, at 00:00 UTC
//	1767225600                              seconds since 1970
//	13, 16 or 19 digits                     ms, µs or ns since 1970
//
// Units are s, min (m), h, d, w, mon (M, 30 days) and y (365 days), also spelled
// out. Times must lie between the years 1678 and 2262, so that they fit
// nanoseconds; a time in 1970 stands for "not known" and is returned as zero.
func parseTime(text string, now time.Time) (time.Time, error) {
	s := strings.TrimSpace(text)
	var t time.Time
	var ok bool
	switch {
	case s == "":
		return time.Time{}, warehouse.Errorf(warehouse.Invalid, "time is empty")
	case isDigits(s):
		t, ok = parseDigits(s)
	default:
		t, ok = parseRelative(s, now)
	}
	if !ok {
		return time.Time{}, warehouse.Errorf(warehouse.Invalid,
			"time %.64q: want now-1h, YYYYMMDD or seconds, milli-, micro- or nanoseconds since 1970", text)
	}
	if t.UTC().Year() == 1970 {
		return time.Time{}, nil
	}
	return t, nil
}

func isDigits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

func parseDigits(s string) (time.Time, bool) {
	if len(s) == len("20060102") {
		if t, err := time.Parse("20060102", s); err == nil && t.Year() > 1900 {
			return t, true
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	switch len(s) {
	case 13:
		return time.UnixMilli(n), true
	case 16:
		return time.UnixMicro(n), true
	case 19:
		return time.Unix(0, n), true
	}
	return time.Unix(n, 0), n <= math.MaxInt64/int64(time.Second)
}

// parseRelative parses now and what is added to or taken from it.
func parseRelative(s string, now time.Time) (time.Time, bool) {
	s, ok := strings.CutPrefix(s, "now")
	s = strings.TrimSpace(s)
	if !ok || s == "" {
		return now, ok
	}
	if s[0] != '+' && s[0] != '-' {
		return now, false
	}
	d, ok := parseOffset(strings.TrimSpace(s[1:]))
	if s[0] == '-' {
		d = -d
	}
	t := now.Add(d)
	return t, ok && t.Year() >= 1678 && t.Year() < 2262
}

// parseOffset parses one or more numbers with units: 1d12h.
func parseOffset(s string) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	var sum time.Duration
	for s != "" {
		digits := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
		if digits <= 0 {
			return 0, false
		}
		n, err := strconv.ParseInt(s[:digits], 10, 64)
		s = s[digits:]
		end := strings.IndexFunc(s, func(r rune) bool { return '0' <= r && r <= '9' })
		if end < 0 {
			end = len(s)
		}
		unit, ok := timeUnits[strings.TrimSpace(s[:end])]
		if err != nil || !ok || n > int64((math.MaxInt64-sum)/unit) {
			return 0, false
		}
		sum += time.Duration(n) * unit
		s = s[end:]
	}
	return sum, true
}

const day = 24 * time.Hour

var timeUnits = map[string]time.Duration{
	"s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": day, "day": day, "days": day,
	"w": 7 * day, "week": 7 * day, "weeks": 7 * day,
	"M": 30 * day, "mon": 30 * day, "month": 30 * day, "months": 30 * day,
	"y": 365 * day, "year": 365 * day, "years": 365 * day,
}
