package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/stackhouse-db/stackhouse/sql/confined"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// sqlWorker is the argument with which this program is a process that runs statements
// of one tenant, started by a server and of no use to anybody else.
const sqlWorker = "sql-worker"

// newStarter returns what starts those processes, from this program.
func newStarter(log *slog.Logger) (*confined.Starter, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, which runs statements: %w", err)
	}
	return confined.NewStarter(confined.Options{Command: []string{self, sqlWorker}, Logger: log})
}

// sectionDirs returns the folders in which a tenant's sections lie as files.
func (d *dataDir) sectionDirs(t warehouse.Tenant) []string {
	return []string{filepath.Join(d.file(cacheDir), string(t)), filepath.Join(d.file(bucketDir), block.BlockPrefix, string(t))}
}
