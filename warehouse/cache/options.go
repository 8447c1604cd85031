package cache

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// SectionsOptions configures [Sections]. Dir and Bucket are required.
type SectionsOptions struct {
	// Dir is the folder of the copies. One process uses it at a time.
	Dir string

	// MaxBytes is the disk space that copies may take. Pinned copies may exceed
	// it: queries that run need them. Zero means 10 GiB, or a tenth of the disk
	// if that is less.
	MaxBytes int64

	// Bucket is where sections come from.
	Bucket object.Bucket

	// OnVerdict is told whenever a section's bytes in the bucket were compared with
	// the index: nil means that they are right. It is called from one of several
	// goroutines, under no lock. Nil means nobody wants to know.
	OnVerdict func(p *warehouse.Part, t warehouse.Table, d *warehouse.Damage)

	Logger   *slog.Logger          // nil discards
	Registry prometheus.Registerer // nil keeps metrics unregistered
}

const defaultMaxBytes = 10 << 30

func (o SectionsOptions) validate() error {
	switch {
	case o.Dir == "":
		return warehouse.Errorf(warehouse.Invalid, "open section cache: no folder")
	case o.Bucket == nil:
		return warehouse.Errorf(warehouse.Invalid, "open section cache %s: no bucket", o.Dir)
	case o.MaxBytes < 0:
		return warehouse.Errorf(warehouse.Invalid, "open section cache %s: limit of %d bytes is negative", o.Dir, o.MaxBytes)
	}
	return nil
}

// withDefaults fills in what is zero. Dir exists.
func (o SectionsOptions) withDefaults() SectionsOptions {
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
		if size, ok := diskBytes(o.Dir); ok {
			o.MaxBytes = min(o.MaxBytes, size/10)
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
