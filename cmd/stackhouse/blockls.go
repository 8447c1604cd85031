package main

import (
	"context"
	"fmt"

	"github.com/oklog/ulid/v2"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

type blockLsCmd struct {
	storeFlags
	filterFlags
	JSON bool `name:"json" option:"" help:"Print one JSON object a block, each on a line."`
}

// blockView is the JSON of a block.
type blockView struct {
	Block   string   `json:"block"`
	Dir     string   `json:"dir"`
	State   string   `json:"state"`
	Level   uint8    `json:"level"`
	Bytes   int64    `json:"bytes"`
	Sources []string `json:"sources"`
	Error   string   `json:"error,omitempty"`
	*partView
}

func newBlockView(b *storedBlock, state string) blockView {
	v := blockView{Block: b.id(), Dir: b.dir, State: state, Bytes: b.bytes, Sources: []string{}}
	for _, id := range b.sources {
		v.Sources = append(v.Sources, id.String())
	}
	if b.err != nil {
		v.Error = b.err.Error()
		return v
	}
	part := newPartView(b.part)
	v.Level, v.partView = b.part.Level, &part
	return v
}

// listBlocks prints the blocks of a bucket. One whose meta.json cannot be read is
// listed by its folder, and makes the exit status 1.
func (p program) listBlocks(ctx context.Context, cmd *blockLsCmd) int {
	if err := cmd.validate(); err != nil {
		return p.fail(exitUsage, err)
	}
	s, err := cmd.open()
	if err != nil {
		return p.fail(exitError, err)
	}
	known, err := p.known(ctx, s)
	if err != nil {
		return p.fail(exitError, err)
	}
	status := exitOK
	t := newTextTable(p.stdout, "", "tenant", "hour", "level", "block", "state", "services", "profiles", "samples", "bytes", "sources", "from", "to")
	folder := block.BlockPrefix
	if cmd.Tenant != "" {
		folder += cmd.Tenant
	}
	err = eachBlock(ctx, s.bucket, folder, func(b *storedBlock) error {
		if b.err != nil {
			status = exitError
			fmt.Fprintf(p.stderr, "stackhouse: %s: %s\n", plainText(b.dir), b.err)
		} else if !cmd.part(b.part) {
			return nil
		}
		state := known.of(idOf(b))
		switch {
		case cmd.JSON:
			return printJSON(p.stdout, newBlockView(b, state))
		case b.err != nil:
			t.row("-", "-", "-", plainText(b.id()), state, "damaged", "-", "-", bytesText(b.bytes), "-", "-", "-")
		default:
			t.row(b.part.Tenant, b.part.Hour, b.part.Level, b.part.Object, state, servicesText(servicesOf(b.part)), profilesOf(b.part), b.part.Rows(),
				bytesText(b.bytes), len(b.sources), b.part.Range.From, b.part.Range.To)
		}
		return nil
	})
	t.end()
	if err != nil {
		return p.fail(exitError, err)
	}
	return status
}

// idOf returns the id that a block's folder has.
func idOf(b *storedBlock) warehouse.ObjectID {
	id, _ := ulid.ParseStrict(b.id()) // zero is nobody's
	return id
}
