package manifest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Version is the version of the container that is written.
const Version = 1

// Prefix is the folder of manifests in a bucket.
const Prefix = "meta/"

const (
	magic       = "SSMF"
	headerBytes = 4 + 4 + 8 + 8 + 8
	tailBytes   = 4
	namePrefix  = Prefix + "manifest-"
	nameDigits  = 20 // of the largest index
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Manifest is a state and where in the log it stands.
type Manifest struct {
	Index uint64           // of the last command that the state includes
	At    warehouse.Micros // when it was written
	State *state.State
}

// Encode returns the byte form of a view's manifest that is written at a time.
func Encode(v *state.View, at warehouse.Micros) ([]byte, error) {
	var buf bytes.Buffer
	buf.Write(make([]byte, headerBytes))
	n, err := v.WriteTo(&buf)
	if err != nil {
		return nil, warehouse.Errorf(warehouse.Internal, "encode manifest %d: %w", v.Index(), err)
	}
	data := buf.Bytes()
	copy(data, magic)
	binary.LittleEndian.PutUint32(data[4:], Version)
	binary.LittleEndian.PutUint64(data[8:], v.Index())
	binary.LittleEndian.PutUint64(data[16:], uint64(at))
	binary.LittleEndian.PutUint64(data[24:], uint64(n))
	return binary.LittleEndian.AppendUint32(data, crc32.Checksum(data, castagnoli)), nil
}

// Decode reads what [Encode] wrote. Damaged bytes, and those of a newer build, are
// Corrupt errors.
func Decode(data []byte) (*Manifest, error) {
	if len(data) < headerBytes+tailBytes {
		return nil, corruptf("%d bytes are too few", len(data))
	}
	if got := string(data[:4]); got != magic {
		return nil, corruptf("it begins with %q, not %q", got, magic)
	}
	if v := binary.LittleEndian.Uint32(data[4:]); v == 0 || v > Version {
		return nil, corruptf("version %d, this program reads 1 to %d", v, Version)
	}
	body, sum := data[:len(data)-tailBytes], binary.LittleEndian.Uint32(data[len(data)-tailBytes:])
	if got := crc32.Checksum(body, castagnoli); got != sum {
		return nil, corruptf("checksum is %08x, the bytes give %08x", sum, got)
	}
	m := &Manifest{Index: binary.LittleEndian.Uint64(data[8:]), At: warehouse.Micros(binary.LittleEndian.Uint64(data[16:]))}
	if n := binary.LittleEndian.Uint64(data[24:]); n != uint64(len(body)-headerBytes) {
		return nil, corruptf("it says that its state has %d bytes, there are %d", n, len(body)-headerBytes)
	}
	s, err := state.Read(bytes.NewReader(body[headerBytes:]))
	if err != nil {
		return nil, corruptf("%w", err)
	}
	if s.Index() != m.Index {
		return nil, corruptf("it is of index %d, its state of %d", m.Index, s.Index())
	}
	m.State = s
	return m, nil
}

func corruptf(format string, args ...any) error {
	return warehouse.Errorf(warehouse.Corrupt, "decode manifest: "+format, args...)
}

// Name returns the name of the manifest of an index.
func Name(index uint64) string { return fmt.Sprintf("%s%0*d", namePrefix, nameDigits, index) }

// ParseName is the inverse of [Name]; ok is false for any other name.
func ParseName(name string) (index uint64, ok bool) {
	digits, found := strings.CutPrefix(name, namePrefix)
	index, err := strconv.ParseUint(digits, 10, 64)
	return index, found && err == nil && Name(index) == name
}
