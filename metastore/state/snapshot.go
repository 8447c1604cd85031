package state

import (
	"bufio"
	"crypto/sha256"
	"io"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// snapshotVersion is the version of the byte form drawn below. It counts for
// the metastore's directory: see FORMAT there. Version 1 has no jobs and no
// verdicts above 3; version 2 no deletions, no rules of retention and nothing of
// masks in parts and jobs.
const snapshotVersion = 3

// frameKind says what a frame of a snapshot holds. The numbers are stored: never
// renumber.
type frameKind byte

// A snapshot is a sequence of frames. Each holds any number (header and end: one)
// of values of one kind; the kinds come in this order, and there are as many
// frames of a kind as it takes. Strings are numbered anew in each frame.
//
//	header    version[1] ‖ uvarint(index) ‖ varint(last) ‖ size(elapsed) ‖ varint(retention, ns)
//	tenant    string(name) ‖ varint(retention, ns) ‖ uvarint(n) ‖ n×(string ‖ string)
//	             ‖ varint(horizon hour) ‖ uvarint(horizon epoch)
//	             ‖ uvarint(n) ‖ n×(string(service) ‖ string(type) ‖ varint(keep, ns)), from version 3 on
//	part      as in warehouse/codec.go, from version 3 on ‖ uvarint(masked); by tenant, hour
//	             and order of registration
//	epoch     as there
//	batch     size(elapsed) ‖ uvarint(n) ‖ n×(string(tenant) ‖ uvarint(m) ‖ m×id[16])
//	fate      id[16] ‖ size(elapsed) ‖ verdict[1] ‖ uvarint(token) if it is 4; fences last
//	tombstone part ‖ uvarint(index) ‖ varint(at)
//	job       see encodeJob
//	remnant   id[16] ‖ string(tenant)
//	deletion  as in warehouse/codec.go ‖ uvarint(index) ‖ varint(submitted) ‖ varint(applied) ‖ varint(gone)
//	             ‖ size(elapsed when gone) ‖ uvarint(n) ‖ n×id[16]
//	end       uvarint(number of parts)
//
// Reading restores the State whose View was written, bit for bit: what it
// answers later is what the original would have answered.
const (
	frameHeader    frameKind = 1
	frameTenant    frameKind = 2
	framePart      frameKind = 3
	frameEpoch     frameKind = 4
	frameBatch     frameKind = 5
	frameFate      frameKind = 6
	frameTombstone frameKind = 7
	frameEnd       frameKind = 8
	frameJob       frameKind = 9
	frameRemnant   frameKind = 10
	frameDeletion  frameKind = 11
)

// rank orders the kinds.
func (k frameKind) rank() int {
	switch k {
	case frameJob:
		return 4*int(frameTombstone) + 1
	case frameRemnant:
		return 4*int(frameTombstone) + 2
	case frameDeletion:
		return 4*int(frameTombstone) + 3
	default:
		return 4 * int(k)
	}
}

// WriteTo writes the view's canonical byte form to w.
func (v *View) WriteTo(w io.Writer) (int64, error) {
	f := &frameWriter{w: w}
	v.writeHeader(f)
	v.writeTenants(f)
	v.writeParts(f)
	v.writeEpochs(f)
	v.writeBatches(f)
	v.writeFates(f)
	v.writeTombstones(f)
	v.writeJobs(f)
	v.writeRemnants(f)
	v.writeDeletions(f)
	f.begin(frameEnd).Uvarint(uint64(v.totals.Parts))
	f.end()
	return f.written, f.err
}

// Digest returns a hash of everything in the view. States that behave
// differently have different digests.
func (v *View) Digest() [sha256.Size]byte {
	h := sha256.New()
	_, _ = v.WriteTo(h) // a hash does not fail
	return [sha256.Size]byte(h.Sum(nil))
}

func (v *View) writeHeader(f *frameWriter) {
	e := f.begin(frameHeader)
	e.Byte(snapshotVersion)
	e.Uvarint(v.index)
	e.Varint(int64(v.clock.last))
	e.Size(int64(v.clock.elapsed))
	e.Varint(int64(v.retention))
	f.end()
}

func (v *View) writeTenants(f *frameWriter) {
	e := f.begin(frameTenant)
	for _, t := range v.tenants {
		e.String(string(t.name))
		e.Varint(int64(t.retention))
		encodeSettings(e, t.settings)
		e.Varint(int64(t.horizonHour))
		e.Uvarint(t.horizonEpoch)
		encodeRules(e, t.rules)
		e = f.next()
	}
	f.end()
}

func (v *View) writeParts(f *frameWriter) {
	e := f.begin(framePart)
	for _, t := range v.tenants {
		for _, h := range t.hours {
			for _, p := range h.parts {
				e.Part(p)
				e.Uvarint(p.Masked)
				e = f.next()
			}
		}
	}
	f.end()
}

func (v *View) writeEpochs(f *frameWriter) {
	e := f.begin(frameEpoch)
	for _, t := range v.tenants {
		for _, h := range t.hours {
			for _, ep := range h.epochs {
				key := warehouse.PartitionKey{Tenant: t.name, Service: ep.service, Hour: h.hour}
				e.Epoch(warehouse.Epoch{Key: key, Value: ep.value})
				e = f.next()
			}
		}
	}
	f.end()
}

func (v *View) writeBatches(f *frameWriter) {
	e := f.begin(frameBatch)
	for _, b := range v.batches {
		e.Size(int64(b.elapsed))
		e.Uvarint(uint64(len(b.runs)))
		for _, r := range b.runs {
			e.String(string(r.tenant))
			e.Uvarint(uint64(len(r.ids)))
			for i := range r.ids {
				e.Raw(r.ids[i][:])
			}
		}
		e = f.next()
	}
	f.end()
}

func (v *View) writeFates(f *frameWriter) {
	e := f.begin(frameFate)
	for _, list := range [][]fate{v.fates, v.fences} {
		for i := range list {
			e.Raw(list[i].id[:])
			e.Size(int64(list[i].elapsed))
			e.Byte(byte(list[i].verdict))
			if list[i].verdict == wasFinished {
				e.Uvarint(list[i].token)
			}
			e = f.next()
		}
	}
	f.end()
}

func (v *View) writeTombstones(f *frameWriter) {
	e := f.begin(frameTombstone)
	for _, t := range v.tombstones {
		e.Part(&t.Part)
		e.Uvarint(t.Index)
		e.Varint(int64(t.At))
		e = f.next()
	}
	f.end()
}

func (v *View) writeJobs(f *frameWriter) {
	e := f.begin(frameJob)
	for _, j := range v.jobs {
		encodeJob(e, j)
		e = f.next()
	}
	f.end()
}

// Read restores the state whose view was written. Bytes that are damaged, cut
// off, or of a newer build are Corrupt errors.
func Read(r io.Reader) (*State, error) {
	f := &frameReader{r: bufio.NewReaderSize(r, 64<<10)}
	s := New()
	for last := frameKind(0); last != frameEnd; {
		kind, payload, err := f.next()
		if err != nil {
			return nil, err
		}
		d := warehouse.NewDecoder("snapshot", payload)
		switch {
		case kind.rank() < last.rank(), kind == last && (kind == frameHeader || kind == frameEnd), last == 0 && kind != frameHeader:
			d.Failf("frame of kind %d behind one of kind %d", kind, last)
		default:
			s.readFrame(kind, d)
		}
		if err := d.Finish(); err != nil {
			return nil, err
		}
		last = kind
	}
	if n, err := io.Copy(io.Discard, f.r); n != 0 || err != nil {
		return nil, warehouse.Errorf(warehouse.Corrupt, "read snapshot: %d bytes after the end (%v)", n, err)
	}
	return s, nil
}

func (s *State) readFrame(kind frameKind, d *warehouse.Decoder) {
	switch kind {
	case frameHeader:
		s.readHeader(d)
	case frameTenant:
		readAll(d, s.readTenant)
	case framePart:
		readAll(d, s.readPart)
	case frameEpoch:
		readAll(d, s.readEpoch)
	case frameBatch:
		readAll(d, s.readBatch)
	case frameFate:
		readAll(d, s.readFate)
	case frameTombstone:
		readAll(d, s.readTombstone)
	case frameJob:
		readAll(d, s.readJob)
	case frameRemnant:
		readAll(d, s.readRemnant)
	case frameDeletion:
		readAll(d, s.readDeletion)
	case frameEnd:
		s.listMasks()
		if n := d.Uvarint(); n != uint64(s.draft.totals.Parts) {
			d.Failf("%d parts, the end says %d", s.draft.totals.Parts, n)
		}
	default:
		d.Failf("frame of kind %d: this build does not know it", kind)
	}
}

func readAll(d *warehouse.Decoder, value func(*warehouse.Decoder)) {
	for d.Left() > 0 {
		value(d)
	}
}

func (s *State) readHeader(d *warehouse.Decoder) {
	s.reading = d.Version(snapshotVersion)
	s.draft.index = d.Uvarint()
	s.draft.clock.last = warehouse.Micros(d.Varint())
	s.draft.clock.elapsed = warehouse.Micros(d.Size())
	s.draft.retention = time.Duration(d.Varint())
}

func (s *State) readTenant(d *warehouse.Decoder) {
	t := newTenant(warehouse.Tenant(d.String()), s.generation)
	t.retention = time.Duration(d.Varint())
	t.settings = decodeSettings(d)
	t.horizonHour = warehouse.Hour(d.Varint())
	t.horizonEpoch = d.Uvarint()
	if s.reading >= 3 {
		t.rules = decodeRules(d)
	}
	if n := len(s.draft.tenants); n > 0 && s.draft.tenants[n-1].name >= t.name {
		d.Failf("tenant %q is not behind %q", t.name, s.draft.tenants[n-1].name)
		return
	}
	s.ownTenants = true
	s.draft.tenants = append(s.draft.tenants, t)
}

func (s *State) readPart(d *warehouse.Decoder) {
	p := d.Part()
	if s.reading >= 3 {
		p.Masked = d.Uvarint()
	}
	if d.Err() == nil && s.draft.tenant(p.Tenant) == nil {
		d.Failf("part of tenant %q, which is not there", p.Tenant)
	}
	if d.Err() == nil {
		s.addPart(p)
	}
}

func (s *State) readEpoch(d *warehouse.Decoder) {
	e := d.Epoch()
	t := s.draft.tenant(e.Key.Tenant)
	if t == nil {
		d.Failf("epoch of tenant %q, which is not there", e.Key.Tenant)
		return
	}
	if _, ok := t.find(e.Key.Hour); !ok {
		d.Failf("epoch of hour %d, which is not there", e.Key.Hour)
		return
	}
	s.raiseEpoch(e.Key, e.Value)
}

func (s *State) readBatch(d *warehouse.Decoder) {
	b := &batch{elapsed: warehouse.Micros(d.Size())}
	for range d.Count(2) {
		r := run{tenant: warehouse.Tenant(d.String())}
		if n := d.Count(len(warehouse.ProfileID{})); n > 0 {
			r.ids = make([]warehouse.ProfileID, n)
			for i := range r.ids {
				copy(r.ids[i][:], d.Raw(len(r.ids[i])))
			}
		}
		b.runs = append(b.runs, r)
	}
	if d.Err() != nil {
		return
	}
	s.profiles.add(b)
	s.draft.batches = append(s.draft.batches, b)
}

func (s *State) readFate(d *warehouse.Decoder) {
	var x fate
	copy(x.id[:], d.Raw(len(x.id)))
	x.elapsed = warehouse.Micros(d.Size())
	x.verdict = verdict(d.Byte())
	switch {
	case x.verdict == wasFinished:
		x.token = d.Uvarint()
	case x.verdict < wasAdded || x.verdict > wasFenced:
		d.Failf("verdict %d: this build does not know it", x.verdict)
	case x.verdict != wasFenced && len(s.draft.fences) > 0:
		d.Failf("verdict %d behind a fence", x.verdict)
	}
	if d.Err() == nil {
		s.remember(x)
	}
}

func (s *State) readTombstone(d *warehouse.Decoder) {
	t := &Tombstone{Part: *d.Part(), Index: d.Uvarint(), At: warehouse.Micros(d.Varint())}
	if d.Err() == nil {
		s.buried[t.Part.Object] = struct{}{}
		s.draft.tombstones = append(s.draft.tombstones, t)
	}
}

// CheckVersion reads the beginning of a snapshot and refuses a version that is
// newer than this build reads: an Invalid error that names both. Nothing else is
// checked: damage is for Read to find.
func CheckVersion(r io.Reader) error {
	kind, payload, err := (&frameReader{r: r}).next()
	if err != nil || kind != frameHeader || len(payload) == 0 || payload[0] <= snapshotVersion {
		return nil //nolint:nilerr // damage is for Read to find
	}
	return warehouse.Errorf(warehouse.Invalid, "its format version is %d, this build reads 1 to %d: use a newer one", payload[0], snapshotVersion)
}

// IsOlder reports whether a snapshot is of a version before this build's: a state that
// is made of it may know less than one that is made of the log.
func IsOlder(r io.Reader) bool {
	kind, payload, err := (&frameReader{r: r}).next()
	return err == nil && kind == frameHeader && len(payload) > 0 && payload[0] < snapshotVersion
}
