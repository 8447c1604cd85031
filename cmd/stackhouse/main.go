// Command stackhouse is the profile warehouse: one binary that receives
// profiles, stores them and answers queries, and the commands around it.
//
// # Parts
//
//   - run.go: the commands and what each exit status means
//   - config.go, value.go, source.go: settings from flags, environment, file
//   - budget.go, memory.go: how --memory is divided
//   - datadir.go: the data directory, its FORMAT file and its lock
//   - serve.go: wiring, top to bottom; stage.go: ordered start and stop
//   - segment.go, segmentshow.go, segmentcheck.go: a look into stored objects
//   - starting.go, selfprofile.go, banner.go, logging.go: around the server
//
// # Guarantees
//
// Nothing is bound, written or started before every setting was checked. A stop
// signal lets what was accepted finish, within 10 seconds; a second one ends
// the process at once, which loses nothing that was acknowledged.
//
// This is the only package that knows flags, environment and YAML: all others
// take Options.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/stackhouse-db/stackhouse/sql/confined"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == sqlWorker {
		os.Exit(confined.Exit())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal is not caught any more
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	os.Exit(code)
}
