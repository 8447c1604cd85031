package compactor

import (
	"context"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/cache"
)

// Sections gives out verified sections; see warehouse/cache.
type Sections interface {
	Acquire(ctx context.Context, p *warehouse.Part, t warehouse.Table) (*cache.Local, error)
	Read(ctx context.Context, p *warehouse.Part, t warehouse.Table) ([]byte, error)
}

// smallSection is the size up to which a section is read into memory: a file of its
// own, for sections that are only a part of their object, takes longer.
const smallSection = 32 << 10

// openInputs makes inputs of parts, whose sections are read when they are asked for,
// and mapped if they are large. end ends their use.
func openInputs(ctx context.Context, sections Sections, parts []*warehouse.Part) (inputs []Input, end func()) {
	var ends []func()
	for _, p := range parts {
		var mapped [][]byte
		in := Input{Part: p, Relax: func() {
			for _, data := range mapped {
				relax(data)
			}
		}}
		in.Data = func(t warehouse.Table) ([]byte, error) {
			if s, ok := p.Section(t); ok && s.Size <= smallSection {
				return sections.Read(ctx, p, t)
			}
			local, err := sections.Acquire(ctx, p, t)
			if err != nil {
				return nil, err
			}
			ends = append(ends, local.Release)
			data, err := local.Map()
			if err != nil {
				return nil, inputError(p, t, err)
			}
			mapped = append(mapped, data)
			return data, nil
		}
		inputs = append(inputs, in)
	}
	return inputs, func() {
		for i := len(ends) - 1; i >= 0; i-- {
			ends[i]()
		}
	}
}
