package rebuild

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore/manifest"
	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// Leap is how far the index of a state that is put into a new directory is ahead of
// the one that it was made of: indexes of the log that was lost, which epochs and
// tokens outside of it still carry, are never given again.
const Leap = 1_000_000_000

// Options says what is rebuilt. Bucket is required.
type Options struct {
	Bucket object.Bucket
	Now    time.Time // as of which retention drops what is old; zero means time.Now

	// WithoutManifest takes whatever the bucket has if it has no manifest that can be
	// read. Settings are lost then, and what was retired or deleted may be back.
	WithoutManifest bool

	// AcceptLoss drops what is missing or damaged and cannot be explained.
	AcceptLoss bool

	// Parallel is how many objects are read at a time. Zero means 16.
	Parallel int

	// Progress is told how far a step is; all is 0 where that is not known. Nil means
	// that nobody wants to know.
	Progress func(step string, done, all int)
}

// Result is a state that was made, and what has to be stored with it.
type Result struct {
	State  *state.State
	Report Report
	now    time.Time
	puts   []put
}

// put is an object that is to be stored.
type put struct {
	name string
	data []byte
}

// run is one rebuild.
type run struct {
	Options
	Report
	state  *state.State
	before *state.View // as the manifest has it
	inv    *inventory
	index  uint64           // of the last command that was applied here
	at     warehouse.Micros // of that command
	since  time.Time        // when the rebuild began

	live    map[state.PartRef]*warehouse.Part         // as the manifest has it
	missing map[state.PartRef]string                  // those of which the bucket has not all, with a name
	hours   map[hourKey]*hourRows                     // whose profiles are known
	standIn map[hourKey]bool                          // a block that the manifest does not know was taken
	merged  map[warehouse.ProfileKey]warehouse.Micros // the profiles of such blocks, and when they were received
	left    []state.Found                             // objects that are to be fenced
	puts    []put
}

type hourKey struct {
	tenant warehouse.Tenant
	hour   warehouse.Hour
}

// Why objects are left, and what is wrong with others.
const (
	whyMissing   = "it is missing"
	whyDamaged   = "it is damaged: "
	whyNever     = "it was given up before the manifest was written"
	whyPartly    = "some of its profiles are in an object that was taken"
	whyCovered   = "each of its profiles is in an object that was taken"
	whyStale     = "it relies on definitions that were removed before the manifest was written"
	whyMadeAnew  = "it was refused for stale definitions, and made anew"
	whyNoMeta    = "it has no meta.json: the job that stored it did not end, or its deletion did not"
	whyNotWhole  = "not all of its files are there"
	whyInputs    = "its inputs are all there and stand for it"
	whyOld       = "an input of it was dead when the manifest was written"
	whyRetired   = "its hour is older than what its tenant keeps"
	whyConsumed  = "it was merged again"
	whyTwin      = "another block has all of its rows"
	whyOverlap   = "it and a block that stands for others have some rows in common, and each has others"
	whyStandIn   = "its inputs are gone, and it stands for them"
	whyComplete  = "it is whole and newer than the manifest"
	whyNotListed = "it was registered, and nothing that is there stands for it"
)

// Run makes the state anew. It changes nothing: see [Result.Save].
//
// Corrupt: something is missing or damaged that cannot be explained; the result then
// has a report whose Lost names it, and no state. NotFound: there is no manifest.
// Other errors are the bucket's.
func Run(ctx context.Context, o Options) (*Result, error) {
	r := &run{
		Options: o, since: time.Now(), live: map[state.PartRef]*warehouse.Part{}, missing: map[state.PartRef]string{},
		hours: map[hourKey]*hourRows{}, standIn: map[hourKey]bool{}, merged: map[warehouse.ProfileKey]warehouse.Micros{},
	}
	if r.Parallel <= 0 {
		r.Parallel = 16
	}
	if r.Now.IsZero() {
		r.Now = time.Now()
	}
	if r.Progress == nil {
		r.Progress = func(string, int, int) {}
	}
	for _, step := range []func(context.Context) error{r.begin, r.list, r.takeBlocks, r.takeSegments, r.settle} {
		if err := step(ctx); err != nil {
			return &Result{Report: r.Report}, err
		}
	}
	r.Took = time.Since(r.since)
	return &Result{State: r.state, Report: r.Report, now: r.Now, puts: r.puts}, nil
}

// begin reads the manifest.
func (r *run) begin(ctx context.Context) error {
	refs, err := manifest.List(ctx, r.Bucket)
	if err != nil {
		return err
	}
	m, damaged, err := manifest.Newest(ctx, r.Bucket)
	if err != nil {
		return err
	}
	r.index = Leap
	if len(refs) > 0 { // read or not
		r.index += refs[0].Index
	}
	for _, d := range damaged {
		r.DamagedManifests = append(r.DamagedManifests, d.Error())
	}
	if m == nil {
		if !r.WithoutManifest {
			return warehouse.Errorf(warehouse.NotFound, "rebuild metastore: the bucket has no manifest that can be read (%d are damaged)", len(damaged))
		}
		r.state = state.New()
		return nil
	}
	r.state, r.at = m.State, m.State.View().Time()
	r.Manifest, r.ManifestIndex, r.ManifestAt = manifest.Name(m.Index), m.Index, m.At
	return nil
}

// list compares what the bucket has with the manifest.
func (r *run) list(ctx context.Context) (err error) {
	if r.inv, err = takeInventory(ctx, r.Bucket, r.Progress); err != nil {
		return err
	}
	r.Files, r.Bytes, r.before = r.inv.files, r.inv.bytes, r.state.View()
	known := map[warehouse.ObjectID]struct{}{}
	r.before.EachPart(func(p *warehouse.Part) {
		ref := state.PartRef{Object: p.Object, Tenant: p.Tenant, Hour: p.Hour}
		r.live[ref] = p
		switch fault := r.inv.fault(p); fault {
		case "":
			known[p.Object] = struct{}{}
		case whyMissing:
			r.missing[ref] = block.SectionName(p, warehouse.TableProfiles)
		default:
			r.Damaged = append(r.Damaged, Note{r.inv.name(p.Object), fault})
		}
	})
	r.Known = len(known)
	for _, id := range append(sortedIDs(r.inv.segments), sortedIDs(r.inv.blocks)...) {
		switch r.state.Recall(id) {
		case state.Dead:
			r.Dead++
		case state.Never:
			r.Left = append(r.Left, Note{r.inv.name(id), whyNever})
		}
	}
	r.Guard = r.Now
	if r.inv.newest.After(r.Guard) {
		r.Guard = r.inv.newest
	}
	r.Guard = r.Guard.Truncate(time.Second).Add(time.Second) // a directory knows seconds
	return nil
}

// settle does what time does: it frees jobs and drops what is too old. Then whatever
// is live and not there is lost.
func (r *run) settle(context.Context) error {
	for _, j := range r.state.View().Jobs() {
		if j.Token != 0 {
			if _, err := r.apply(state.RenewJobs{Worker: j.Worker}); err != nil {
				return err
			}
		}
	}
	r.at = max(r.at, warehouse.MicrosOf(r.Now))
	dropped, err := r.apply(state.Expire{})
	if err != nil {
		return err
	}
	r.Retire = dropped.(int)
	if err := r.loseMissing(); err != nil {
		return err
	}
	const most = 512 // objects of one command
	for rest := r.left; len(rest) > 0; {
		n := min(most, len(rest))
		if _, err := r.apply(state.FenceObjects{Objects: rest[:n]}); err != nil {
			return err
		}
		rest = rest[n:]
	}
	v := r.state.View()
	r.Totals, r.Index = v.Totals(), v.Index()
	return nil
}

// loseMissing finds what is live and not there, and drops it if that is accepted.
func (r *run) loseMissing() error {
	var lost []state.PartRef
	r.state.View().EachPart(func(p *warehouse.Part) {
		ref := state.PartRef{Object: p.Object, Tenant: p.Tenant, Hour: p.Hour}
		if name, ok := r.missing[ref]; ok {
			lost = append(lost, ref)
			r.Lost = append(r.Lost, Note{name, whyNotListed})
		}
	})
	r.Gone = len(r.missing) - len(lost)
	if len(r.Lost) > 0 && !r.AcceptLoss {
		return warehouse.Errorf(warehouse.Corrupt, "rebuild metastore: %d objects are missing or damaged, and nothing stands for them; the first is %s: %s",
			len(r.Lost), r.Lost[0].Name, r.Lost[0].Why)
	}
	if len(lost) == 0 {
		return nil
	}
	return r.replace(lost, nil)
}

// replace swaps parts in the state.
func (r *run) replace(remove []state.PartRef, add []warehouse.Part) error {
	h := sha256.New()
	for i := range remove {
		h.Write(remove[i].Object[:])
	}
	for i := range add {
		h.Write(add[i].Object[:])
	}
	answer, err := r.apply(state.ReplaceParts{ID: warehouse.ObjectID(h.Sum(nil)), Remove: remove, Add: add})
	if err != nil {
		return err
	}
	if got := answer.(state.ReplaceResult); got.Outcome != state.Replaced {
		return warehouse.Errorf(warehouse.Internal, "rebuild metastore: replace %d parts by %d: %s", len(remove), len(add), got.Outcome)
	}
	return nil
}

// apply applies a command to the state, as of now.
func (r *run) apply(c state.Command) (any, error) {
	r.index++
	answer, err := r.state.Apply(r.index, state.Append(nil, r.at, c))
	if err != nil {
		return nil, warehouse.Errorf(warehouse.Internal, "rebuild metastore: %w", err)
	}
	return answer, nil
}

// leave takes note of an object that is not taken, and will be fenced.
func (r *run) leave(f state.Found, why string) {
	r.Left = append(r.Left, Note{r.inv.name(f.ID), why})
	r.left = append(r.left, f)
}

// Save stores what the state needs besides the objects that are there, and then a
// manifest of it.
func (r *Result) Save(ctx context.Context, b object.Bucket) error {
	for _, p := range r.puts {
		if err := b.Put(ctx, p.name, p.data); err != nil {
			return err
		}
	}
	if _, err := manifest.Write(ctx, b, r.State.View(), warehouse.MicrosOf(r.now)); err != nil {
		return err
	}
	return manifest.Prune(ctx, b)
}

// Advance moves a state that is put into a new directory as it is to an index that
// no log of its own has had, and that is beyond another one.
func Advance(s *state.State, beyond uint64) error {
	_, err := s.Apply(max(s.Index(), beyond)+Leap, state.Append(nil, s.View().Time(), state.ForgetTombstones{}))
	return err
}
