package pgwire

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones are known wherever the binary runs
	"unicode"
)

// timeZone returns the IANA name of a zone: names in any case, whole hours east of
// Greenwich, and GMT-5, which counts westwards as POSIX does: pgjdbc sends that.
func timeZone(v string) (string, error) {
	v = strings.TrimSpace(v)
	hours, ok := wholeHours(v)
	if posix, cut := strings.CutPrefix(strings.ToUpper(v), "GMT"); cut && posix != "" {
		hours, ok = wholeHours(posix)
		hours = -hours
	}
	if ok {
		if hours == 0 {
			return "UTC", nil
		}
		return fmt.Sprintf("Etc/GMT%+d", -hours), nil // POSIX counts westwards
	}
	for _, name := range []string{v, strings.ToUpper(v), titleZone(v)} {
		if name == "" || name == "Local" {
			continue
		}
		if _, err := time.LoadLocation(name); err == nil {
			return name, nil
		}
	}
	return "", errorf(stateInvalidParameter, "time zone %q is not known", clip(v))
}

// wholeHours reads +2, -05, +02:00.
func wholeHours(v string) (int, bool) {
	v = strings.TrimSuffix(v, ":00")
	n, err := strconv.Atoi(v)
	return n, err == nil && n >= -12 && n <= 12
}

// titleZone turns europe/berlin into Europe/Berlin.
func titleZone(v string) string {
	start := true
	return strings.Map(func(r rune) rune {
		up := start
		start = r == '/' || r == '_' || r == '-'
		if up {
			return unicode.ToUpper(r)
		}
		return unicode.ToLower(r)
	}, v)
}

// location returns the zone of a canonical name. The server remembers those that
// were asked for; there are some hundreds.
func (s *Server) location(name string) *time.Location {
	if loc, ok := s.zones.Load(name); ok {
		return loc.(*time.Location)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	s.zones.Store(name, loc)
	return loc
}
