package main

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"
)

// size is a number of bytes, written as 64KiB, 1.5GiB, 10GB or 4096.
type size int64

var sizeUnits = []struct {
	suffix string
	bytes  float64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
}

// UnmarshalText parses a size.
func (s *size) UnmarshalText(text []byte) error {
	number, unit := string(text), 1.0
	for _, u := range sizeUnits {
		if cut, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = cut, u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !(n >= 0) || n*unit >= math.MaxInt64 {
		return fmt.Errorf("%q is no size: want a number of bytes such as 64KiB, 32MiB or 10GB", text)
	}
	*s = size(n * unit)
	return nil
}

// MarshalText formats a size in the largest binary unit that is exact.
func (s size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String returns the text that UnmarshalText reads back.
func (s size) String() string {
	for _, u := range sizeUnits[:4] {
		if whole := size(u.bytes); s >= whole && s%whole == 0 {
			return strconv.FormatInt(int64(s/whole), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// share is a size, or a percentage of some whole.
type share struct {
	bytes   size
	percent float64 // used when above zero
}

// UnmarshalText parses a size or a percentage such as 50%.
func (s *share) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(string(text), "%")
	if !ok {
		*s = share{}
		return s.bytes.UnmarshalText(text)
	}
	p, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !(p > 0 && p <= 100) {
		return fmt.Errorf("%q is no percentage: want more than 0%% and at most 100%%", text)
	}
	*s = share{percent: p}
	return nil
}

// MarshalText formats a share.
func (s share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String returns the text that UnmarshalText reads back.
func (s share) String() string {
	if s.percent > 0 {
		return strconv.FormatFloat(s.percent, 'g', -1, 64) + "%"
	}
	return s.bytes.String()
}

// of returns the bytes that s means when the whole has that many.
func (s share) of(whole int64) int64 {
	if s.percent > 0 {
		return int64(s.percent / 100 * float64(whole))
	}
	return int64(s.bytes)
}

// period is a time span that may be written in days: 31d, 36h, 90m or 0.
type period time.Duration

const day = 24 * time.Hour

// UnmarshalText parses a period.
func (p *period) UnmarshalText(text []byte) error {
	d, err := parsePeriod(string(text))
	if err != nil || d < 0 {
		return fmt.Errorf("%q is no time span: want one such as 31d, 36h, 90m or 0", text)
	}
	*p = period(d)
	return nil
}

func parsePeriod(text string) (time.Duration, error) {
	number, ok := strings.CutSuffix(text, "d")
	if !ok {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err == nil && n > int64(math.MaxInt64/day) {
		err = strconv.ErrRange
	}
	return time.Duration(n) * day, err
}

// MarshalText formats a period.
func (p period) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// String returns the text that UnmarshalText reads back.
func (p period) String() string {
	switch d := time.Duration(p); {
	case d == 0:
		return "0"
	case d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	default:
		return d.String()
	}
}

// level is a log level: debug, info, warn or error.
type level slog.Level

// UnmarshalText parses a level.
func (l *level) UnmarshalText(text []byte) error {
	var s slog.Level
	if err := s.UnmarshalText(text); err != nil {
		return fmt.Errorf("%q is no log level: want debug, info, warn or error", text)
	}
	*l = level(s)
	return nil
}

// MarshalText formats a level.
func (l level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// String returns the text that UnmarshalText reads back.
func (l level) String() string { return strings.ToLower(slog.Level(l).String()) }
