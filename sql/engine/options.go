package engine

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Options are an engine's budgets. The zero value of a budget is its default.
type Options struct {
	Threads      int    // worker threads; default GOMAXPROCS
	MemoryBytes  int64  // DuckDB's memory_limit, which it overshoots by about 160 MB; default 1 GiB
	TempDir      string // where large intermediate results spill; "" means that they do not
	MaxTempBytes int64  // most bytes in TempDir; default 4 GiB
	Connections  int    // most queries at once, others wait; default 4 per thread

	// AllowedDirs are the folders whose files queries may read.
	AllowedDirs []string

	Logger   *slog.Logger          // nil discards
	Registry prometheus.Registerer // nil keeps metrics to itself
}

func (o Options) withDefaults() (Options, error) {
	if o.Threads <= 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.MemoryBytes <= 0 {
		o.MemoryBytes = 1 << 30
	}
	if o.MaxTempBytes <= 0 {
		o.MaxTempBytes = 4 << 30
	}
	if o.Connections <= 0 {
		o.Connections = 4 * o.Threads
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	dirs := make([]string, len(o.AllowedDirs))
	for i, d := range o.AllowedDirs {
		abs, err := filepath.Abs(d)
		if err != nil {
			return o, warehouse.Errorf(warehouse.Invalid, "open engine: folder %q: %w", d, err)
		}
		dirs[i] = abs
	}
	o.AllowedDirs = dirs
	return o, nil
}

// settings are applied in this order: a folder can be allowed only while
// external access is on, and nothing can be set after the lock.
//
// parquet_metadata_cache keeps the footers of files, and files here never
// change: reading 60 small ones takes a tenth less. The cache of file contents
// is off: they are local, the kernel has them, and a second copy would use
// memory_limit up without being faster.
func (o Options) settings() []Setting {
	dirs := make([]string, len(o.AllowedDirs))
	for i, d := range o.AllowedDirs {
		dirs[i] = quote(strings.TrimSuffix(d, "/") + "/")
	}
	return []Setting{
		{"threads", fmt.Sprint(o.Threads)},
		{"memory_limit", quote(fmt.Sprintf("%dB", o.MemoryBytes))},
		{"temp_directory", quote(o.TempDir)},
		{"max_temp_directory_size", quote(fmt.Sprintf("%dB", o.MaxTempBytes))},
		{"preserve_insertion_order", "false"},
		{"parquet_metadata_cache", "true"},
		{"enable_external_file_cache", "false"},
		{"TimeZone", quote("UTC")},
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
		{"allow_community_extensions", "false"},
		{"allow_persistent_secrets", "false"},
		{"allowed_directories", "[" + strings.Join(dirs, ", ") + "]"},
		{"enable_external_access", "false"},
		{lockSetting, "true"},
	}
}

// quote returns s as an SQL string literal.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
