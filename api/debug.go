package api

import (
	"log/slog"
	"net/http"
	"net/http/pprof"

	cpu "github.com/grafana/pyroscope-go/http/pprof"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The handlers under /debug/pprof/. The CPU profile comes from pyroscope-go,
// which shares the runtime's one profiler with the process's own profiling; the
// standard library's would answer 500 while that runs.
var (
	debugIndex   = pprof.Index
	debugCmdline = pprof.Cmdline
	debugCPU     = cpu.Profile
	debugSymbol  = pprof.Symbol
	debugTrace   = pprof.Trace
)

// newMetricsHandler serves /metrics. An instrument that fails hides only itself.
func newMetricsHandler(g prometheus.Gatherer, logger *slog.Logger) http.Handler {
	return promhttp.HandlerFor(g, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError,
		ErrorLog:      slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	})
}
