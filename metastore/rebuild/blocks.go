package rebuild

import (
	"cmp"
	"context"
	"path"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// newBlock is a whole block that the manifest does not know.
type newBlock struct {
	part    *warehouse.Part
	sources []warehouse.ObjectID
	rows    map[rowKey]struct{} // of one that is needed
}

func (b *newBlock) hour() hourKey { return hourKey{b.part.Tenant, b.part.Hour} }

func (b *newBlock) found() state.Found {
	return state.Found{ID: b.part.Object, Tenant: b.part.Tenant, Hour: b.part.Hour}
}

// takeBlocks takes the blocks that stand for inputs which are gone.
//
// As long as nothing is deleted before a manifest knows of its death, there is none:
// every input of a merge that the manifest does not know is there, and the inputs
// are taken, not the block. There are some if the newest manifest could not be
// written for long, or cannot be read.
func (r *run) takeBlocks(ctx context.Context) error {
	blocks, err := r.readBlocks(ctx)
	if err != nil {
		return err
	}
	// A block of which an input is gone was registered: inputs are deleted after that
	// only. It, and not what it was made of, is live, or was merged again.
	consumed := map[state.PartRef]bool{}
	needed := map[hourKey][]*newBlock{}
	view, now := r.state.View(), warehouse.MicrosOf(r.Now)
	for _, id := range sortedIDs(blocks) {
		b := blocks[id]
		switch why := r.judge(b, blocks); {
		case view.IsOver(b.part.Tenant, b.part.Range.To.Hour(), now):
			r.leave(b.found(), whyRetired)
		case why == whyStandIn:
			consume(b, blocks, consumed)
			needed[b.hour()] = append(needed[b.hour()], b)
		default:
			r.leave(b.found(), why)
		}
	}
	keys := make([]hourKey, 0, len(needed))
	for k := range needed {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b hourKey) int { return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.hour, b.hour)) })
	for _, k := range keys {
		if err := r.takeHour(ctx, k, needed[k], consumed); err != nil {
			return err
		}
	}
	return nil
}

// readBlocks reads the descriptions of the blocks that the manifest does not know.
func (r *run) readBlocks(ctx context.Context) (map[warehouse.ObjectID]*newBlock, error) {
	var folders []*blockFolder
	for _, id := range sortedIDs(r.inv.blocks) {
		if r.state.Recall(id) == state.Unknown {
			folders = append(folders, r.inv.blocks[id])
		}
	}
	read := make([]*newBlock, len(folders))
	faults := make([]string, len(folders))
	var g errgroup.Group
	g.SetLimit(r.Parallel)
	for i, f := range folders {
		g.Go(func() (err error) {
			read[i], faults[i], err = r.readBlock(ctx, f)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	blocks := make(map[warehouse.ObjectID]*newBlock, len(folders))
	for i, f := range folders {
		switch {
		case read[i] != nil:
			blocks[f.id] = read[i]
		case faults[i] == whyNoMeta || faults[i] == whyNotWhole:
			r.Left = append(r.Left, Note{f.dir, faults[i]})
		default:
			r.Lost = append(r.Lost, Note{f.dir, faults[i]})
		}
	}
	return blocks, nil
}

// readBlock reads a block's description, or says what is wrong with it.
func (r *run) readBlock(ctx context.Context, f *blockFolder) (_ *newBlock, fault string, _ error) {
	name := path.Join(f.dir, block.MetaName)
	if _, ok := f.sizes[name]; !ok {
		return nil, whyNoMeta, nil
	}
	data, err := r.Bucket.Read(ctx, name, 0, -1)
	if err != nil {
		return nil, "", err
	}
	p, sources, err := block.DecodeMeta(data)
	switch {
	case err != nil:
		return nil, whyDamaged + err.Error(), nil
	case p.Object != f.id || block.BlockDir(p) != f.dir:
		return nil, whyDamaged + "its meta.json is of " + block.BlockDir(p), nil
	}
	switch fault := r.inv.fault(p); fault {
	case "":
		return &newBlock{part: p, sources: sources}, "", nil
	case whyMissing:
		return nil, whyNotWhole, nil
	default:
		return nil, whyDamaged + fault, nil
	}
}

// judge says whether a block stands for inputs that are gone, or why not.
func (r *run) judge(b *newBlock, blocks map[warehouse.ObjectID]*newBlock) string {
	why := whyInputs
	if len(b.sources) == 0 {
		return whyStandIn
	}
	for _, id := range b.sources {
		ref := state.PartRef{Object: id, Tenant: b.part.Tenant, Hour: b.part.Hour}
		_, isLive := r.live[ref]
		_, isMissing := r.missing[ref]
		_, isBlock := blocks[id]
		_, isSegment := r.inv.segments[id]
		switch {
		case isLive && isMissing:
			why = whyStandIn
		case isLive:
		case r.state.Recall(id) != state.Unknown:
			return whyOld // a part that was dead then cannot have been merged since
		case !isBlock && !isSegment && r.isAncient(id):
			return whyOld // it was not registered since, and so was dead and forgotten by then
		case !isBlock && !isSegment:
			why = whyStandIn
		}
	}
	return why
}

// isAncient reports whether an object was made so long before the manifest that it
// cannot have been registered after it.
func (r *run) isAncient(id warehouse.ObjectID) bool {
	const longest = time.Hour // of a job, from its first block to its end
	return r.ManifestIndex > 0 && warehouse.Micros(id.Time())*1000 < r.ManifestAt-warehouse.Micros(longest.Microseconds())
}

// consume takes note of everything that a block was made of.
func consume(b *newBlock, blocks map[warehouse.ObjectID]*newBlock, consumed map[state.PartRef]bool) {
	for _, id := range b.sources {
		ref := state.PartRef{Object: id, Tenant: b.part.Tenant, Hour: b.part.Hour}
		if consumed[ref] {
			continue
		}
		consumed[ref] = true
		if source := blocks[id]; source != nil {
			consume(source, blocks, consumed)
		}
	}
}

// takeHour takes the blocks of an hour that stand for others, each row once, and
// removes what they stand for.
func (r *run) takeHour(ctx context.Context, k hourKey, needed []*newBlock, consumed map[state.PartRef]bool) (err error) {
	var blocks []*newBlock
	for _, b := range needed {
		if consumed[state.PartRef{Object: b.part.Object, Tenant: k.tenant, Hour: k.hour}] {
			r.leave(b.found(), whyConsumed)
			continue
		}
		if b.rows, err = rowsOf(ctx, r.Bucket, b.part); err != nil {
			if warehouse.KindOf(err) != warehouse.Corrupt {
				return err
			}
			r.Lost = append(r.Lost, Note{r.inv.name(b.part.Object), whyDamaged + err.Error()})
			continue
		}
		blocks = append(blocks, b)
	}
	if len(blocks) == 0 {
		return nil
	}
	parts, err := r.readHour(ctx, k, consumed)
	if err != nil {
		return err
	}
	blocks, rows := r.once(blocks, parts)
	if len(blocks) == 0 {
		return nil
	}
	remove := r.replaced(k, rows, parts, consumed)
	add := make([]warehouse.Part, len(blocks))
	for i, b := range blocks {
		add[i] = *b.part
		for row := range b.rows {
			r.merged[warehouse.ProfileKey{Tenant: k.tenant, ID: row.profile}] = row.received
		}
		r.Taken = append(r.Taken, Note{r.inv.name(b.part.Object), whyStandIn})
	}
	r.standIn[k] = true
	return r.replace(remove, add)
}

// readHour returns the rows of an hour's live parts that are there and that no block
// is known to stand for.
func (r *run) readHour(ctx context.Context, k hourKey, consumed map[state.PartRef]bool) (map[state.PartRef]map[rowKey]struct{}, error) {
	parts := map[state.PartRef]map[rowKey]struct{}{}
	for _, p := range r.partsOf(k) {
		ref := state.PartRef{Object: p.Object, Tenant: p.Tenant, Hour: p.Hour}
		if _, isMissing := r.missing[ref]; isMissing || consumed[ref] {
			continue
		}
		rows, err := rowsOf(ctx, r.Bucket, p)
		switch {
		case err == nil:
			parts[ref] = rows
		case warehouse.KindOf(err) == warehouse.Corrupt:
			r.Lost = append(r.Lost, Note{r.inv.name(p.Object), whyDamaged + err.Error()})
		default:
			return nil, err
		}
	}
	return parts, nil
}

// once drops blocks whose rows others have: those of an attempt at a job that did
// not end, beside those of one that did and what was made of them. It returns the
// rest with its rows.
func (r *run) once(blocks []*newBlock, parts map[state.PartRef]map[rowKey]struct{}) (kept []*newBlock, rows map[rowKey]int) {
	all := map[rowKey]int{} // how many have it
	for _, part := range parts {
		for k := range part {
			all[k]++
		}
	}
	for _, b := range blocks {
		for k := range b.rows {
			all[k]++
		}
	}
	for _, b := range blocks { // the oldest first
		isTwin := true
		for k := range b.rows {
			isTwin = isTwin && all[k] > 1
		}
		if !isTwin {
			kept = append(kept, b)
			continue
		}
		for k := range b.rows {
			all[k]--
		}
		r.leave(b.found(), whyTwin)
	}
	rows = map[rowKey]int{}
	for _, b := range kept {
		for k := range b.rows {
			rows[k]++
		}
	}
	for _, b := range kept {
		for k := range b.rows {
			if rows[k] > 1 {
				r.Lost = append(r.Lost, Note{r.inv.name(b.part.Object), whyOverlap})
				break
			}
		}
	}
	return kept, rows
}

// replaced returns the parts of an hour that blocks with the rows stand for.
func (r *run) replaced(k hourKey, rows map[rowKey]int, parts map[state.PartRef]map[rowKey]struct{}, consumed map[state.PartRef]bool) (remove []state.PartRef) {
	covered := int64(0)
	for _, p := range r.partsOf(k) {
		ref := state.PartRef{Object: p.Object, Tenant: p.Tenant, Hour: p.Hour}
		_, isMissing := r.missing[ref]
		if !isMissing && !consumed[ref] && !r.isIn(ref, parts[ref], rows) {
			continue
		}
		s, _ := p.Section(warehouse.TableProfiles)
		covered += s.Rows
		remove = append(remove, ref)
	}
	if covered > int64(len(rows)) {
		// Some of what is missing is in no block: it stays live, and so is found lost.
		remove = slices.DeleteFunc(remove, func(ref state.PartRef) bool { _, isMissing := r.missing[ref]; return isMissing && !consumed[ref] })
	}
	return remove
}

// isIn reports whether all rows of a part are among others. Some without the rest
// cannot be: a merge takes parts whole.
func (r *run) isIn(ref state.PartRef, part map[rowKey]struct{}, rows map[rowKey]int) bool {
	n := 0
	for k := range part {
		if rows[k] > 0 {
			n++
		}
	}
	if n > 0 && n < len(part) {
		r.Lost = append(r.Lost, Note{r.inv.name(ref.Object), whyOverlap})
	}
	return n > 0 && n == len(part)
}

// partsOf returns the live parts of a tenant and hour.
func (r *run) partsOf(k hourKey) []*warehouse.Part {
	all := r.state.View().Parts(k.tenant, warehouse.TimeRange{From: k.hour.Start(), To: k.hour.End() - 1})
	return slices.DeleteFunc(slices.Clone(all), func(p *warehouse.Part) bool { return p.Hour != k.hour })
}
