package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSize(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       int64 // -1 is an error
		again      string
	}{
		{"bytes", "4096", 4096, "4KiB"},
		{"bytes with a unit", "17B", 17, "17"},
		{"binary unit", "32MiB", 32 << 20, "32MiB"},
		{"decimal unit", "10GB", 10e9, "9765625KiB"},
		{"fraction", "1.5GiB", 3 << 29, "1536MiB"},
		{"space", "2 TiB", 2 << 40, "2TiB"},
		{"zero", "0", 0, "0"},
		{"empty", "", -1, ""},
		{"negative", "-1", -1, ""},
		{"no number", "MiB", -1, ""},
		{"unknown unit", "3 apples", -1, ""},
		{"too large", "9e18KiB", -1, ""},
		{"not a number", "NaN", -1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var s size
			err := s.UnmarshalText([]byte(tt.text))
			if tt.want < 0 {
				require.ErrorContains(t, err, tt.text)
				return
			}
			require.NoError(t, err)
			require.EqualValues(t, tt.want, s)
			require.Equal(t, tt.again, s.String())
			var back size
			require.NoError(t, back.UnmarshalText([]byte(s.String())))
			require.Equal(t, s, back)
		})
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       int64 // of 1000; -1 is an error
	}{
		{"percentage", "50%", 500},
		{"fraction of a percentage", "0.5%", 5},
		{"all", "100%", 1000},
		{"size", "2KiB", 2048},
		{"none", "0%", -1},
		{"more than all", "101%", -1},
		{"no number", "%", -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var s share
			err := s.UnmarshalText([]byte(tt.text))
			if tt.want < 0 {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, s.of(1000))
			require.Equal(t, tt.text, s.String())
		})
	}
}

func TestPeriod(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       time.Duration // -1 is an error
		again      string
	}{
		{"days", "31d", 31 * day, "31d"},
		{"hours that are days", "48h", 2 * day, "2d"},
		{"hours and minutes", "90m", 90 * time.Minute, "1h30m0s"},
		{"for ever", "0", 0, "0"},
		{"no unit", "31", -1, ""},
		{"negative", "-1h", -1, ""},
		{"negative days", "-1d", -1, ""},
		{"too many days", "106752d", -1, ""},
		{"empty", "", -1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var p period
			err := p.UnmarshalText([]byte(tt.text))
			if tt.want < 0 {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, time.Duration(p))
			require.Equal(t, tt.again, p.String())
		})
	}
}
