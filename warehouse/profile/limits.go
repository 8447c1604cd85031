package profile

import (
	"cmp"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Limits bound one profile. Zero means the default, [DefaultLimits].
type Limits struct {
	MaxBytes        int64 // of the inflated body
	MaxSamples      int   // pprof samples
	MaxRows         int   // rows of each other table: strings, mappings, functions, locations, lines
	MaxDepth        int   // frames a stack keeps, counted from the root: deeper stacks lose their leaf side
	MaxSymbolBytes  int   // of a function name, file name or build id; longer ones are cut
	MaxLabels       int   // labels of a series, __name__ included
	MaxLabelName    int   // bytes
	MaxLabelValue   int   // bytes
	MaxSampleLabels int   // labels of one sample, numeric ones included
	MaxSeries       int   // series one profile is split into

	// MaxDefinitionBytes bounds the definitions of all stacks of a profile when
	// written out, every frame with its names. Shared locations and long names
	// let a small body stand for terabytes of those.
	MaxDefinitionBytes int64
}

// DefaultLimits returns the limits used where nothing else is said.
func DefaultLimits() Limits {
	return Limits{
		MaxBytes:           32 << 20,
		MaxSamples:         1_000_000,
		MaxRows:            1_000_000,
		MaxDepth:           4096,
		MaxSymbolBytes:     64 << 10,
		MaxLabels:          30,
		MaxLabelName:       1024,
		MaxLabelValue:      2048,
		MaxSampleLabels:    100,
		MaxSeries:          10_000,
		MaxDefinitionBytes: 512 << 20,
	}
}

// maxBodyBytes bounds MaxBytes, so that offsets into a body fit 32 bits.
const maxBodyBytes = 1 << 30

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	return Limits{
		MaxBytes:           min(cmp.Or(l.MaxBytes, d.MaxBytes), maxBodyBytes),
		MaxSamples:         cmp.Or(l.MaxSamples, d.MaxSamples),
		MaxRows:            cmp.Or(l.MaxRows, d.MaxRows),
		MaxDepth:           cmp.Or(l.MaxDepth, d.MaxDepth),
		MaxSymbolBytes:     cmp.Or(l.MaxSymbolBytes, d.MaxSymbolBytes),
		MaxLabels:          cmp.Or(l.MaxLabels, d.MaxLabels),
		MaxLabelName:       cmp.Or(l.MaxLabelName, d.MaxLabelName),
		MaxLabelValue:      cmp.Or(l.MaxLabelValue, d.MaxLabelValue),
		MaxSampleLabels:    cmp.Or(l.MaxSampleLabels, d.MaxSampleLabels),
		MaxSeries:          cmp.Or(l.MaxSeries, d.MaxSeries),
		MaxDefinitionBytes: cmp.Or(l.MaxDefinitionBytes, d.MaxDefinitionBytes),
	}
}

// malformed is the refusal of a body that contradicts pprof.
func malformed(format string, args ...any) error {
	return refuse(warehouse.ReasonMalformedProfile, format, args...)
}

func refuse(reason, format string, args ...any) error {
	return warehouse.Refuse(warehouse.Invalid, reason, format, args...)
}
