package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
	"github.com/stackhouse-db/stackhouse/warehouse/segment"
)

type segmentLsCmd struct {
	storeFlags
	filterFlags
	JSON bool `name:"json" option:"" help:"Print one JSON object a segment, each on a line."`
}

// segmentListView is the JSON of a segment in a list.
type segmentListView struct {
	segmentView
	State string `json:"state"`
}

// readStored returns what the footer of a segment in a bucket says.
func readStored(ctx context.Context, bucket object.ReadOnly, a object.Attrs) (*warehouse.Segment, error) {
	tail, err := bucket.Read(ctx, a.Name, max(a.Size-segment.TailSize, 0), -1)
	if err != nil {
		return nil, err
	}
	n, err := segment.FooterSize(tail, a.Size)
	if err != nil {
		return nil, err
	}
	end, err := bucket.Read(ctx, a.Name, a.Size-n, -1)
	if err != nil {
		return nil, err
	}
	return segment.DecodeFooter(end, a.Size)
}

// listSegments prints the segments of a bucket. One whose footer cannot be read
// makes the exit status 1.
func (p program) listSegments(ctx context.Context, cmd *segmentLsCmd) int {
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
	t := newTextTable(p.stdout, "", "shard", "segment", "state", "tenants", "services", "parts", "profiles", "samples", "bytes", "from", "to")
	err = s.bucket.List(ctx, block.SegmentPrefix, func(a object.Attrs) error {
		seg, err := readStored(ctx, s.bucket, a)
		switch {
		case warehouse.KindOf(err) == warehouse.NotFound: // deleted meanwhile
			return nil
		case err != nil:
			status = p.fail(exitError, fmt.Errorf("%s: %w", plainText(a.Name), err))
			return nil
		}
		state := known.of(seg.ID)
		switch {
		case !slices.ContainsFunc(seg.Parts, func(part warehouse.Part) bool { return cmd.part(&part) }):
		case cmd.JSON:
			return printJSON(p.stdout, segmentListView{newSegmentView(a.Name, seg), state})
		default:
			listSegment(t, seg, state)
		}
		return nil
	})
	t.end()
	if err != nil {
		return p.fail(exitError, err)
	}
	return status
}

func listSegment(t *textTable, seg *warehouse.Segment, state string) {
	tenants, services := map[string]bool{}, map[string]bool{}
	span := warehouse.EmptyRange
	var profiles, samples int64
	for i := range seg.Parts {
		p := &seg.Parts[i]
		tenants[string(p.Tenant)] = true
		for _, name := range servicesOf(p) {
			services[name] = true
		}
		span = span.Union(p.Range)
		profiles += profilesOf(p)
		samples += p.Rows()
	}
	t.row(seg.Shard, seg.ID, state, strings.Join(slices.Sorted(maps.Keys(tenants)), ","), servicesText(slices.Sorted(maps.Keys(services))),
		len(seg.Parts), profiles, samples, bytesText(seg.Size), span.From, span.To)
}
