package scrub

import (
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// The register's file. A save writes a new one and renames it; what cannot be read is
// as good as none.
//
// Format, in the forms of [warehouse.Encoder]; never renumber:
//
//	"SHSV" ‖ version[1] = 1 ‖ varint(end of the last pass)
//	‖ uvarint(n) ‖ n×(id[16] ‖ varint(verified))
//	‖ uvarint(m) ‖ m×(id[16] ‖ string(tenant) ‖ varint(hour) ‖ table[1] ‖ level[1] ‖ uvarint(shard) ‖ varint(found)
//	                  ‖ string(object) ‖ string(what) ‖ size(offset) ‖ size(size) ‖ string(expected) ‖ string(found))
//	‖ fixed32(CRC-32C of all before)
//
// Times are seconds since 1970, 0 for never. Objects and findings are in order of
// their bytes, so that equal registers are equal files.
const (
	fileMagic   = "SHSV"
	fileVersion = 1

	minObjectBytes  = 17
	minFindingBytes = 16 + 11
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// contents is what the file holds.
type contents struct {
	lastPass time.Time
	verified map[warehouse.ObjectID]time.Time
	findings []Finding
}

func encodeContents(c *contents) []byte {
	e := warehouse.NewEncoder(nil)
	e.Raw([]byte(fileMagic))
	e.Byte(fileVersion)
	e.Varint(seconds(c.lastPass))
	ids := make([]warehouse.ObjectID, 0, len(c.verified))
	for id := range c.verified {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, warehouse.ObjectID.Compare)
	e.Uvarint(uint64(len(ids)))
	for _, id := range ids {
		e.Raw(id[:])
		e.Varint(seconds(c.verified[id]))
	}
	e.Uvarint(uint64(len(c.findings)))
	for i := range c.findings {
		encodeFinding(e, &c.findings[i])
	}
	e.Fixed32(crc32.Checksum(e.Bytes(), castagnoli))
	return e.Bytes()
}

func encodeFinding(e *warehouse.Encoder, f *Finding) {
	e.Raw(f.Part.Object[:])
	e.String(string(f.Part.Tenant))
	e.Varint(int64(f.Part.Hour))
	e.Byte(byte(f.Table))
	e.Byte(f.Part.Level)
	e.Uvarint(uint64(f.Part.Shard))
	e.Varint(seconds(f.At))
	e.String(f.Object)
	e.String(f.What)
	e.Size(f.Offset)
	e.Size(f.Size)
	e.String(f.Expected)
	e.String(f.Found)
}

// decodeContents is the inverse of encodeContents. Bytes that it did not write are a
// Corrupt error.
func decodeContents(data []byte) (*contents, error) {
	const sumBytes = 4
	if len(data) < len(fileMagic)+sumBytes || string(data[:len(fileMagic)]) != fileMagic {
		return nil, warehouse.Errorf(warehouse.Corrupt, "decode register: %d bytes are none", len(data))
	}
	body, tail := data[:len(data)-sumBytes], data[len(data)-sumBytes:]
	if got, want := crc32.Checksum(body, castagnoli), warehouse.NewDecoder("checksum", tail).Fixed32(); got != want {
		return nil, warehouse.Errorf(warehouse.Corrupt, "decode register: its CRC-32C is %08x, it says %08x", got, want)
	}
	d := warehouse.NewDecoder("register", body[len(fileMagic):])
	d.Version(fileVersion)
	c := &contents{lastPass: decodeTime(d)}
	n := d.Count(minObjectBytes)
	c.verified = make(map[warehouse.ObjectID]time.Time, n)
	for range n {
		var id warehouse.ObjectID
		copy(id[:], d.Raw(len(id)))
		c.verified[id] = decodeTime(d)
	}
	for range d.Count(minFindingBytes) {
		c.findings = append(c.findings, decodeFinding(d))
	}
	return c, d.Finish()
}

func decodeFinding(d *warehouse.Decoder) (f Finding) {
	copy(f.Part.Object[:], d.Raw(len(f.Part.Object)))
	f.Part.Tenant = warehouse.Tenant(d.String())
	f.Part.Hour = warehouse.Hour(d.Varint())
	f.Table = warehouse.Table(d.Byte())
	f.Part.Level = d.Byte()
	f.Part.Shard = uint32(d.UvarintMax(1<<32 - 1))
	f.At = decodeTime(d)
	f.Object = d.String()
	f.What = d.String()
	f.Offset = d.Size()
	f.Size = d.Size()
	f.Expected = d.String()
	f.Damage.Found = d.String()
	return f
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func decodeTime(d *warehouse.Decoder) time.Time {
	s := d.Varint()
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}

// load reads the file, if there is one that can be read.
func (r *Register) load() {
	if r.path == "" {
		return
	}
	data, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var c *contents
	if err == nil {
		c, err = decodeContents(data)
	}
	if err != nil {
		r.log.Warn("when objects were last verified is not known: all are verified again", "path", r.path, "err", err)
		return
	}
	r.lastPass = c.lastPass
	now := r.clock()
	for id, at := range c.verified {
		if !at.After(now) { // a clock that was ahead must not keep an object from being verified
			r.record(id).verifiedAt = at
		}
	}
	for i := range c.findings {
		r.add(&c.findings[i])
	}
	r.changed = false
}

// Save writes the file if something has changed. If it is to be durable, it survives a
// power loss; whoever is in a hurry does without.
func (r *Register) Save(durable bool) error {
	if r.path == "" {
		return nil
	}
	c := r.contents()
	if c == nil {
		return nil
	}
	if err := writeFile(r.path, encodeContents(c), durable); err != nil {
		r.mu.Lock()
		r.changed = true
		r.mu.Unlock()
		return warehouse.Errorf(warehouse.Unavailable, "save register %s: %w", r.path, err)
	}
	return nil
}

// contents returns what is to be written, or nil if it was written already.
func (r *Register) contents() *contents {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.changed {
		return nil
	}
	r.changed = false
	c := &contents{lastPass: r.lastPass, verified: make(map[warehouse.ObjectID]time.Time, len(r.objects)), findings: r.findings()}
	for id, o := range r.objects {
		if !o.verifiedAt.IsZero() {
			c.verified[id] = o.verifiedAt
		}
	}
	return c
}

// writeFile puts a file in the place of another, whole or not at all if it is durable.
func writeFile(path string, data []byte, durable bool) error {
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if durable && err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
		return err
	}
	if !durable {
		return nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
