package main

import (
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// writeBanner tells a newcomer what runs where, once it does.
func writeBanner(w io.Writer, cfg *config, dataPath, httpAddr, pgAddr string) error {
	url := "http://" + reachable(httpAddr)
	lines := [][2]string{
		{"profiles in", url + "  (Pyroscope SDKs and agents, push API, /ingest)"},
		{"questions", url + "  (Grafana's Pyroscope data source, querier API)"},
		{"first page", url + "/"},
		{"health", url + "/ready, " + url + "/metrics"},
		{"psql", psqlLine(reachable(pgAddr))},
		{"data", dataPath},
		{"retention", retentionText(cfg.Retention)},
	}
	if cfg.SelfProfiling {
		lines = append(lines, [2]string{"self", "own profiles are stored as service " + selfService + " (--no-self-profiling stops that)"})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nStackhouse %s is ready.\n\n", buildVersion())
	for _, l := range lines {
		fmt.Fprintf(&b, "  %-12s %s\n", l[0], l[1])
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

// psqlLine is how to ask in SQL. The database is the tenant; without one it is the
// default tenant.
func psqlLine(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "psql " + addr
	}
	return "psql -h " + host + " -p " + port + " -d " + string(warehouse.DefaultTenant)
}

func retentionText(p period) string {
	if p == 0 {
		return "profiles are kept for ever (--retention)"
	}
	return "profiles are kept for " + p.String() + ", by their own time (--retention)"
}

// reachable turns a listening address into one that this machine can call: a
// listener on all addresses is on loopback too.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
