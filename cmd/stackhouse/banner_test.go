package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBanner(t *testing.T) {
	t.Parallel()
	cfg := &config{Retention: period(31 * day), SelfProfiling: true}
	var out strings.Builder
	require.NoError(t, writeBanner(&out, cfg, "/srv/data", "[::]:4040", "127.0.0.1:4042"))
	for _, want := range []string{
		"is ready", "http://127.0.0.1:4040/ready", "/srv/data", "kept for 31d", "service stackhouse",
		"psql -h 127.0.0.1 -p 4042 -d anonymous",
	} {
		require.Contains(t, out.String(), want)
	}

	cfg.Retention, cfg.SelfProfiling = 0, false
	out.Reset()
	require.NoError(t, writeBanner(&out, cfg, "/srv/data", "127.0.0.1:1", "127.0.0.1:2"))
	require.Contains(t, out.String(), "kept for ever")
	require.NotContains(t, out.String(), "own profiles")
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"127.0.0.1:4040": "127.0.0.1:4040",
		"0.0.0.0:4040":   "127.0.0.1:4040",
		"[::]:4040":      "127.0.0.1:4040",
		":4040":          "127.0.0.1:4040",
		"[::1]:4040":     "[::1]:4040",
		"example.com:80": "example.com:80",
		"nonsense":       "nonsense",
	} {
		require.Equal(t, want, reachable(addr), addr)
	}
}
