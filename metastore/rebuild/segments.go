package rebuild

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/segment"
)

// The slack of times: an id is made when its segment is sealed, and the segment is
// registered within a minute, or never.
const (
	slack  = time.Minute
	window = state.ProfileWindow + slack
)

// tailBytes is how much of a segment's end is read at once: most footers are in it.
const tailBytes = 32 << 10

// newSegment is a segment that the manifest does not know.
type newSegment struct {
	segmentFile
	seg   *warehouse.Segment // nil if it is damaged
	fault string
}

func (s *newSegment) at() warehouse.Micros { return warehouse.Micros(s.id.Time()) * 1000 }

// takeSegments registers the segments that the manifest does not know, in the order
// in which they were made, as the log did: each as a whole, unless it has profiles
// that are registered by then.
//
// Whether one of two segments with a profile in common was refused, and which, the
// bucket does not tell. Taking the first whole, and of the second what is new, is
// right in either case: the profiles of both are there, once, and so is what they
// define.
func (r *run) takeSegments(ctx context.Context) error {
	all, err := r.readSegments(ctx)
	if err != nil {
		return err
	}
	seen := map[warehouse.ProfileKey]warehouse.Micros{} // when it was registered last
	r.state.View().EachProfile(func(k warehouse.ProfileKey, at warehouse.Micros) { seen[k] = at })
	isAnew := madeAnew(all)
	for i, s := range all {
		r.Progress("registered", i+1, len(all))
		switch {
		case s.seg == nil:
			r.Lost = append(r.Lost, Note{s.name, s.fault})
			continue
		case r.isStale(s.seg):
			r.leave(state.Found{ID: s.id}, whyStale)
			continue
		case isAnew[s.id]:
			r.leave(state.Found{ID: s.id}, whyMadeAnew)
			continue
		}
		again, err := r.repeated(ctx, s, seen)
		if err != nil {
			return err
		}
		if err := r.takeSegment(ctx, s, again); err != nil {
			return err
		}
		for _, k := range s.seg.Profiles {
			if !again[k] {
				seen[k] = s.at()
			}
		}
	}
	return r.remember()
}

// remember makes the profiles of blocks that stand for segments known to the state:
// they may be sent again.
func (r *run) remember() error {
	if len(r.merged) == 0 {
		return nil
	}
	r.state.View().EachProfile(func(k warehouse.ProfileKey, _ warehouse.Micros) { delete(r.merged, k) })
	c := state.AddSegment{Segment: &warehouse.Segment{}} // without parts
	for k, received := range r.merged {
		if received >= r.at-warehouse.Micros(window.Microseconds()) {
			c.Segment.Profiles = append(c.Segment.Profiles, k)
		}
	}
	if len(c.Segment.Profiles) == 0 {
		return nil
	}
	slices.SortFunc(c.Segment.Profiles, func(a, b warehouse.ProfileKey) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), bytes.Compare(a.ID[:], b.ID[:]))
	})
	h := sha256.New()
	for i := range c.Segment.Profiles {
		h.Write(c.Segment.Profiles[i].ID[:])
	}
	c.Segment.ID = warehouse.ObjectID(h.Sum(nil))
	answer, err := r.apply(c)
	if got, _ := answer.(warehouse.AddResult); err == nil && got.Outcome != warehouse.Added {
		err = warehouse.Errorf(warehouse.Internal, "rebuild metastore: remember %d profiles: %s", len(c.Segment.Profiles), got.Outcome)
	}
	return err
}

// readSegments reads the footers of the segments that the manifest does not know, in
// the order of their ids.
func (r *run) readSegments(ctx context.Context) ([]*newSegment, error) {
	var all []*newSegment
	for _, id := range sortedIDs(r.inv.segments) {
		if r.state.Recall(id) == state.Unknown {
			all = append(all, &newSegment{segmentFile: r.inv.segments[id]})
		}
	}
	const stride = 1000 // between two words of progress
	for from := 0; from < len(all); from += stride {
		to := min(from+stride, len(all))
		var g errgroup.Group
		g.SetLimit(r.Parallel)
		for _, s := range all[from:to] {
			g.Go(func() error { return r.readSegment(ctx, s) })
		}
		if err := g.Wait(); err != nil {
			return nil, err
		}
		r.Progress("read", to, len(all))
	}
	return all, nil
}

func (r *run) readSegment(ctx context.Context, s *newSegment) (err error) {
	if s.size < 0 {
		a, err := r.Bucket.Stat(ctx, s.name)
		if err != nil {
			return err
		}
		s.size = a.Size
	}
	s.seg, err = r.readFooter(ctx, s.segmentFile)
	if err == nil && block.SegmentName(s.seg.Shard, s.seg.ID) != s.name {
		s.seg, err = nil, warehouse.Errorf(warehouse.Corrupt, "it is segment %s of shard %d by its footer", s.seg.ID, s.seg.Shard)
	}
	if warehouse.KindOf(err) == warehouse.Corrupt && err != nil {
		s.fault = whyDamaged + err.Error()
		return nil
	}
	return err
}

func (r *run) readFooter(ctx context.Context, f segmentFile) (*warehouse.Segment, error) {
	n := min(f.size, tailBytes)
	end, err := r.Bucket.Read(ctx, f.name, f.size-n, n)
	if err != nil {
		return nil, err
	}
	need, err := segment.FooterSize(end, f.size)
	if err == nil && need > int64(len(end)) {
		end, err = r.Bucket.Read(ctx, f.name, f.size-need, need)
	}
	if err != nil {
		return nil, err
	}
	return segment.DecodeFooter(end, f.size)
}

// isStale reports whether definitions that a segment relies on were removed before
// the manifest was written: it was refused.
func (r *run) isStale(seg *warehouse.Segment) bool {
	for _, e := range seg.Epochs {
		if r.before.Epoch(e.Key) > e.Value {
			return true
		}
	}
	return false
}

// madeAnew returns the segments that were refused because definitions were removed
// after the manifest was written: later ones, of a later epoch, have all of their
// profiles.
func madeAnew(all []*newSegment) map[warehouse.ObjectID]bool {
	epochs := map[warehouse.PartitionKey]uint64{}
	moved := false
	for _, s := range all {
		if s.seg == nil {
			continue
		}
		for _, e := range s.seg.Epochs {
			old, ok := epochs[e.Key]
			moved = moved || ok && old != e.Value
			epochs[e.Key] = max(old, e.Value)
		}
	}
	anew := map[warehouse.ObjectID]bool{}
	if !moved {
		return anew
	}
	later := map[warehouse.ProfileKey]struct{}{} // in segments of the last epochs
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].seg == nil {
			continue
		}
		isLast, isIn := true, true
		for _, e := range all[i].seg.Epochs {
			isLast = isLast && e.Value == epochs[e.Key]
		}
		for _, k := range all[i].seg.Profiles {
			_, ok := later[k]
			isIn = isIn && ok
			if isLast {
				later[k] = struct{}{}
			}
		}
		if !isLast && isIn {
			anew[all[i].id] = true
		}
	}
	return anew
}

// repeated returns the profiles of a segment that are registered already.
func (r *run) repeated(ctx context.Context, s *newSegment, seen map[warehouse.ProfileKey]warehouse.Micros) (map[warehouse.ProfileKey]bool, error) {
	again := map[warehouse.ProfileKey]bool{}
	// One that is older than the manifest, which does not know it, was not registered
	// as far as clocks can be trusted. It is taken if nobody else has its profiles.
	isOld := r.ManifestIndex > 0 && s.at() < r.ManifestAt-warehouse.Micros(slack.Microseconds())
	for _, k := range s.seg.Profiles {
		if at, ok := seen[k]; ok && (isOld || isNear(at, s.at())) {
			again[k] = true
		}
	}
	for i := range s.seg.Parts {
		k := hourKey{s.seg.Parts[i].Tenant, s.seg.Parts[i].Hour}
		// Others are in the manifest's list of recent profiles, or in segments.
		if !isOld && !r.standIn[k] {
			continue
		}
		rows, err := r.rowsOfHour(ctx, k)
		if err != nil {
			return nil, err
		}
		for _, key := range s.seg.Profiles {
			if key.Tenant == k.tenant && rows.has(key.ID, s.at(), isOld) {
				again[key] = true
			}
		}
	}
	return again, nil
}

func isNear(a, b warehouse.Micros) bool {
	return max(a-b, b-a) <= warehouse.Micros(window.Microseconds())
}

// takeSegment registers a segment without the profiles that others have.
func (r *run) takeSegment(ctx context.Context, s *newSegment, again map[warehouse.ProfileKey]bool) error {
	seg, cut := s.seg, put{}
	if n := len(seg.Profiles); n > 0 && len(again) == n {
		r.leave(state.Found{ID: s.id}, whyCovered)
		return nil
	}
	if len(again) > 0 {
		var err error
		seg, cut, err = r.cut(ctx, s, again)
		switch {
		case warehouse.KindOf(err) == warehouse.Corrupt && err != nil:
			r.Lost = append(r.Lost, Note{s.name, whyDamaged + err.Error()})
			return nil
		case err != nil:
			return err
		case seg == nil: // its footer has ids that its rows have not
			r.leave(state.Found{ID: s.id}, whyCovered)
			return nil
		}
	}
	registered := *seg
	registered.Epochs = nil // isStale has compared them; those of a log that was lost are not the state's
	r.at = max(r.at, s.at())
	answer, err := r.apply(state.AddSegment{Segment: &registered})
	if err != nil {
		return err
	}
	switch got := answer.(warehouse.AddResult); {
	case got.Outcome == warehouse.HasDuplicates:
		for _, k := range got.Duplicates {
			again[k] = true
		}
		return r.takeSegment(ctx, s, again) // with more of them each time
	case got.Outcome != warehouse.Added:
		return warehouse.Errorf(warehouse.Internal, "rebuild metastore: register segment %s: it %s", s.id, got.Outcome)
	case len(again) > 0:
		r.puts = append(r.puts, cut)
		r.Cut = append(r.Cut, Note{s.name, whyPartly})
		r.left = append(r.left, state.Found{ID: s.id})
	default:
		r.Taken = append(r.Taken, Note{s.name, whyComplete})
	}
	return nil
}

// cut returns what is kept of a segment, nil if nothing is.
func (r *run) cut(ctx context.Context, s *newSegment, again map[warehouse.ProfileKey]bool) (*warehouse.Segment, put, error) {
	data, err := r.Bucket.Read(ctx, s.name, 0, -1)
	if err != nil {
		return nil, put{}, err
	}
	out, seg, err := segment.Without(data, cutID(s.id, again), func(k warehouse.ProfileKey) bool { return again[k] })
	if err != nil || seg == nil {
		return nil, put{}, err
	}
	return seg, put{block.SegmentName(seg.Shard, seg.ID), out}, nil
}

// cutID returns the id of what is kept of a segment: the same whenever the same is
// kept.
func cutID(id warehouse.ObjectID, again map[warehouse.ProfileKey]bool) warehouse.ObjectID {
	var all [sha256.Size]byte // the order of a map must not matter
	for k := range again {
		h := sha256.New()
		h.Write([]byte(k.Tenant))
		h.Write(k.ID[:])
		for i, b := range h.Sum(nil) {
			all[i] ^= b
		}
	}
	sum := sha256.Sum256(append(all[:], id[:]...))
	out := id // with its time
	copy(out[6:], sum[:10])
	return out
}

// hourRows are the profiles of a tenant and hour with the times of their reception.
type hourRows struct {
	received map[warehouse.ProfileID][]warehouse.Micros
}

// has reports whether a profile was received about then, or ever.
func (h *hourRows) has(id warehouse.ProfileID, at warehouse.Micros, ever bool) bool {
	for _, received := range h.received[id] {
		if ever || isNear(received, at) {
			return true
		}
	}
	return false
}

// rowsOfHour reads the profiles of what was live before any segment was registered.
func (r *run) rowsOfHour(ctx context.Context, k hourKey) (*hourRows, error) {
	if h := r.hours[k]; h != nil {
		return h, nil
	}
	h := &hourRows{received: map[warehouse.ProfileID][]warehouse.Micros{}}
	for _, p := range r.partsOf(k) {
		ref := state.PartRef{Object: p.Object, Tenant: p.Tenant, Hour: p.Hour}
		_, isOld := r.live[ref]
		_, isMissing := r.missing[ref]
		if isMissing || !isOld && p.Level == warehouse.LevelSegment {
			continue
		}
		err := readRows(ctx, r.Bucket, p, func(row block.ProfileRow) {
			if all := h.received[row.ID]; len(all) == 0 || all[len(all)-1] != row.Received {
				h.received[row.ID] = append(all, row.Received)
			}
		})
		switch {
		case err == nil:
		case warehouse.KindOf(err) == warehouse.Corrupt:
			r.Damaged = append(r.Damaged, Note{r.inv.name(p.Object), err.Error()})
		default:
			return nil, err
		}
	}
	r.hours[k] = h
	return h, nil
}
