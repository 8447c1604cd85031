package profile

import (
	"encoding/binary"
	"time"
	"unsafe"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Prepared is one received profile, ready to be stored: rows by series, and the
// definitions of their stacks.
//
// Ownership: it owns its memory, except that labels alias those of the request.
// Concurrency: immutable; its methods may overlap.
type Prepared struct {
	Tenant warehouse.Tenant
	ID     warehouse.ProfileID
	// Deduplicated is false if ID is random: a retry of the same bytes would be
	// another profile. So it is for a body without a time and an id of the client.
	Deduplicated bool

	Time       warehouse.Micros // start of the profile
	Received   warehouse.Micros
	DurationNs int64 // 0 if unknown
	Period     int64 // between samples, in the unit of the period type; 0 if unknown
	Flags      int32 // warehouse.ProfileFlags

	// Series has, for each distinct set of sample labels, one series per sample
	// type. A profile of which no value was kept has one set.
	Series []PreparedSeries

	// Zeros and Negatives count the values that were dropped because only
	// positive ones are stored.
	Zeros, Negatives int

	// SizeBytes is the memory held.
	SizeBytes int64

	// DefinitionBytes is what the definitions of all stacks take when they are
	// written out, every frame with its names.
	DefinitionBytes int64

	definitions definitions
}

// PreparedSeries is what one series gets of a profile.
type PreparedSeries struct {
	warehouse.Series
	Total int64 // sum of Values

	// One row each, ordered by stack, span and trace; no two rows have all three
	// in common, and every value is positive. Series of one profile may share
	// Stacks, Spans and Traces: do not write to them.
	Stacks []warehouse.StacktraceID
	Values []int64
	Spans  []warehouse.SpanID  // nil if no row has one
	Traces []warehouse.TraceID // nil if no row has one
}

// AppendFrames appends the frames of a stack of the profile, leaf first. It
// returns false for any other stack. Strings alias the profile's memory: copy
// those to be kept for longer.
func (p *Prepared) AppendFrames(dst []warehouse.Frame, id warehouse.StacktraceID) ([]warehouse.Frame, bool) {
	return p.definitions.appendFrames(dst, id)
}

// Preparer prepares profiles. The zero value is ready to use, also after an error.
//
// Concurrency: not safe for concurrent use: have one per goroutine and keep it,
// for the memory it reuses.
type Preparer struct {
	decoder Decoder
	split   splitter
	symbols symbolizer
	rows    normalizer
	emit    emitter
	types   typeNames

	labels []warehouse.Label // canonical labels of the request
	named  []namedType       // by sample type
	record []byte            // canonical labels ‖ inflated body ‖ ordinal
	text   []byte
}

// Prepare turns one received profile into rows. The ordinal is the number of
// equal profiles before it in its request: prepare with 0 first, and if the id is
// that of an earlier profile of the request, again with the number of those.
//
// Errors are Invalid and have a reason. The result keeps neither raw.Body nor
// anything of the Preparer.
func (p *Preparer) Prepare(tenant warehouse.Tenant, raw Raw, ordinal int, received time.Time, lim Limits) (*Prepared, error) {
	defer p.release()
	lim = lim.withDefaults()
	out := &Prepared{Tenant: tenant, Received: warehouse.MicrosOf(received)}
	if err := p.open(raw, &lim); err != nil {
		return nil, err
	}
	if err := p.identify(out, raw, ordinal); err != nil {
		return nil, err
	}
	if err := p.date(out, raw); err != nil {
		return nil, err
	}
	if err := p.name(raw, &lim); err != nil {
		return nil, err
	}
	if err := p.load(out, &lim); err != nil {
		return nil, err
	}
	p.finish(out)
	return out, nil
}

// open reads the labels, inflates the body and decodes it.
func (p *Preparer) open(raw Raw, lim *Limits) error {
	var err error
	if p.labels, err = canonicalLabels(p.labels, raw.Labels, lim); err != nil {
		return err
	}
	p.record = appendLabels(p.record, p.labels)
	start := len(p.record)
	if p.record, err = Inflate(p.record, raw.Body, lim.MaxBytes); err != nil {
		return err
	}
	_, err = p.decoder.Decode(p.record[start:], *lim)
	return err
}

// identify gives the profile its id: the client's; else one of its content, if
// that has a time of its own; else a random one. An all-zero UUID counts as none.
func (p *Preparer) identify(out *Prepared, raw Raw, ordinal int) error {
	if raw.ID != "" {
		id, err := warehouse.ParseProfileID(raw.ID)
		if err != nil {
			return malformed("read profile: %w", err)
		}
		if id != (warehouse.ProfileID{}) {
			out.ID, out.Deduplicated = id, true
			return nil
		}
	}
	if p.decoder.p.TimeNanos == 0 {
		out.ID = randomID()
		return nil
	}
	p.record = binary.LittleEndian.AppendUint64(p.record, uint64(ordinal))
	out.ID, out.Deduplicated = contentID(p.record), true
	return nil
}

// date gives the profile its time, duration and period. A duration or period that
// is negative says nothing.
func (p *Preparer) date(out *Prepared, raw Raw) error {
	body := &p.decoder.p
	switch {
	case body.TimeNanos != 0:
		out.Time = warehouse.MicrosOfNanos(body.TimeNanos)
	case !raw.Time.IsZero():
		out.Time = warehouse.MicrosOf(raw.Time)
	default:
		out.Time = out.Received
	}
	if out.Time < warehouse.MinTime || out.Time > warehouse.MaxTime {
		return refuse(warehouse.ReasonNotInWindow, "date profile: its time %s is outside %s to %s", out.Time, warehouse.MinTime, warehouse.MaxTime)
	}
	if out.DurationNs = body.DurationNanos; out.DurationNs <= 0 {
		out.DurationNs = max(0, int64(raw.Duration))
	}
	out.Period = max(0, body.Period)
	return nil
}

// name finds the profile types.
func (p *Preparer) name(raw Raw, lim *Limits) error {
	body := &p.decoder.p
	name, err := profileName(p.labels, raw.SampleTypes, body)
	if err != nil {
		return err
	}
	if p.types == nil {
		p.types = make(typeNames)
	}
	seen := make(map[string]struct{}, len(body.SampleTypes))
	for _, t := range body.SampleTypes {
		var n namedType
		if n, p.text, err = p.types.of(name, body, t, p.text, lim); err != nil {
			return err
		}
		if _, twice := seen[n.text]; twice {
			return malformed("name profile type: the profile has %s twice", n.text)
		}
		seen[n.text] = struct{}{}
		p.named = append(p.named, n)
	}
	return nil
}

// load turns the samples into series.
func (p *Preparer) load(out *Prepared, lim *Limits) error {
	body := &p.decoder.p
	p.split.begin(storedLabels(p.labels))
	p.symbols.load(body, &out.definitions, lim)
	if err := p.rows.collect(body, &p.split, &p.symbols, lim); err != nil {
		return err
	}
	if err := p.rows.define(body, &p.symbols, &out.definitions, lim); err != nil {
		return err
	}
	if len(p.split.groups) == 0 {
		p.split.groups = append(p.split.groups, p.split.base)
	}
	p.rows.byGroup(len(p.split.groups))
	if err := p.rows.merge(body, &p.split); err != nil {
		return err
	}
	var err error
	out.Series, err = p.emit.series(&p.rows, &p.split, p.named)
	return err
}

// finish sets flags, counts and the size.
func (p *Preparer) finish(out *Prepared) {
	var flags warehouse.ProfileFlags
	if p.rows.depthCut {
		flags |= warehouse.DepthCut
	}
	if p.symbols.cut || p.split.cut {
		flags |= warehouse.SymbolCut
	}
	out.Zeros, out.Negatives = p.rows.zeros, p.rows.negatives
	if out.Zeros+out.Negatives > 0 {
		flags |= warehouse.ValuesDropped
	}
	out.Flags = int32(flags)
	out.DefinitionBytes = out.definitions.writtenBytes
	out.SizeBytes = int64(unsafe.Sizeof(*out)) + out.definitions.sizeBytes() + p.emit.bytes
}

// release lets go of the request and the body, and of scratch that grew too large
// to keep. It leaves the Preparer ready for the next profile.
func (p *Preparer) release() {
	p.decoder.reset()
	p.split.release()
	p.symbols.release()
	p.rows.release()
	p.emit.release()
	clear(p.labels)
	p.labels, p.named = reuse(p.labels), reuse(p.named)
	p.record, p.text = reuse(p.record), reuse(p.text)
}
