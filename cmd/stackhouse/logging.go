package main

import (
	"io"
	"log/slog"
)

// newLogger returns the process's only logger; components get it through their
// Options.
func newLogger(w io.Writer, least slog.Level, format string) *slog.Logger {
	opts := &slog.HandlerOptions{Level: least}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
