package api

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		text string
		want time.Time
	}{
		{"now", now},
		{" now ", now},
		{"now-1h", now.Add(-time.Hour)},
		{"now+30m", now.Add(30 * time.Minute)},
		{"now-30min", now.Add(-30 * time.Minute)},
		{"now - 2 days", now.Add(-48 * time.Hour)},
		{"now-1d12h", now.Add(-36 * time.Hour)},
		{"now-1w", now.Add(-7 * day)},
		{"now-1M", now.Add(-30 * day)},
		{"now-2mon", now.Add(-60 * day)},
		{"now-1y", now.Add(-365 * day)},
		{"now-0s", now},
		{"20260101", at},
		{"1767225600", at},
		{"1767225600000", at},
		{"1767225600000000", at},
		{"1767225600000000000", at},
		{"1767225600123456789", at.Add(123456789)},
		{"0", time.Time{}},
		{"1", time.Time{}},
		{"12345678", time.Time{}}, // no day, so seconds, in 1970
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			got, err := parseTime(tt.text, now)
			require.NoError(t, err)
			require.True(t, tt.want.Equal(got), "got %s", got)
		})
	}
	for _, text := range []string{
		"", " ", "yesterday", "nowish", "now-", "now-h", "now-1", "now-1parsec", "now1h", "now-1h-1h", "-1h", "-5", "1.5",
		"99999999999999999999", "9223372036854775807000", "99999999999999999", "now-999999999999999y", "now-9223372036854775807s", "now-400y", "2026-01-01",
	} {
		t.Run("bad "+text, func(t *testing.T) {
			t.Parallel()
			_, err := parseTime(text, now)
			require.Error(t, err)
			require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
		})
	}
}

// FuzzParseTime: no text panics, times are representable, and adding what was
// taken gives now again.
func FuzzParseTime(f *testing.F) {
	for _, seed := range []string{"now", "now-1h", "now+1d12h", "20260101", "1767225600", "1767225600000000000", "now-9223372036854775807s", "99999999", "now-١h"} {
		f.Add(seed)
	}
	now := time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseTime(text, now)
		if err != nil {
			require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
			return
		}
		if !got.IsZero() {
			require.NotEqual(t, 1970, got.UTC().Year())
		}
	})
}
