package state

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Command is a change of the state, as one entry of the log.
type Command interface {
	// Kind returns the command's number in the log.
	Kind() Kind

	appendTo(dst []byte) []byte   // appends the body
	apply(s *State, m moment) any // checks everything, then changes the state
}

// Kind numbers the commands. The numbers are stored: never renumber or reuse.
type Kind uint8

// The kinds.
const (
	KindAddSegment       Kind = 1
	KindAbortSegment     Kind = 2
	KindReplaceParts     Kind = 3
	KindSetTenant        Kind = 4
	KindSetRetention     Kind = 5
	KindExpire           Kind = 6
	KindForgetTombstones Kind = 7
	KindTakeJobs         Kind = 8
	KindRenewJobs        Kind = 9
	KindFinishJob        Kind = 10
	KindFailJob          Kind = 11
	KindReleaseJobs      Kind = 12
	KindFenceObjects     Kind = 13
	KindDelete           Kind = 14
	KindSetRetentionRule Kind = 15
)

// Kinds lists all kinds.
var Kinds = []Kind{
	KindAddSegment, KindAbortSegment, KindReplaceParts, KindSetTenant, KindSetRetention, KindExpire, KindForgetTombstones,
	KindTakeJobs, KindRenewJobs, KindFinishJob, KindFailJob, KindReleaseJobs, KindFenceObjects,
	KindDelete, KindSetRetentionRule,
}

// IsDurableInManifest reports whether a manifest must hold a command before it is
// answered: nothing in the bucket would tell of it if the metastore were lost.
func (k Kind) IsDurableInManifest() bool {
	switch k {
	case KindSetTenant, KindSetRetention, KindSetRetentionRule, KindDelete:
		return true
	default: // segments and blocks speak for themselves, the rest can be done again
		return false
	}
}

// String returns the command's name, as metrics and logs have it.
func (k Kind) String() string {
	switch k {
	case KindAddSegment:
		return "add_segment"
	case KindAbortSegment:
		return "abort_segment"
	case KindReplaceParts:
		return "replace_parts"
	case KindSetTenant:
		return "set_tenant"
	case KindSetRetention:
		return "set_retention"
	case KindExpire:
		return "expire"
	case KindForgetTombstones:
		return "forget_tombstones"
	case KindTakeJobs:
		return "take_jobs"
	case KindRenewJobs:
		return "renew_jobs"
	case KindFinishJob:
		return "finish_job"
	case KindFailJob:
		return "fail_job"
	case KindReleaseJobs:
		return "release_jobs"
	case KindFenceObjects:
		return "fence_objects"
	case KindDelete:
		return "delete"
	case KindSetRetentionRule:
		return "set_retention_rule"
	}
	return fmt.Sprintf("command(%d)", uint8(k))
}

// envelopeVersion is the version of the byte form below.
const envelopeVersion = 1

const (
	minEnvelopeBytes = 2 + 1 + crcBytes
	crcBytes         = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Append appends the byte form of a command that the leader proposes at a time:
//
//	version[1] = 01 ‖ kind[1] ‖ varint(at, µs) ‖ body ‖ crc32c of all before, u32le
//
// The log store reads entries back without checking them; the checksum does.
func Append(dst []byte, at warehouse.Micros, cmd Command) []byte {
	start := len(dst)
	dst = append(dst, envelopeVersion, byte(cmd.Kind()))
	dst = binary.AppendVarint(dst, int64(at))
	dst = cmd.appendTo(dst)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// Decode reads what [Append] wrote. The command shares no memory with data.
// Damaged bytes, and commands of a newer build, are Corrupt errors.
func Decode(data []byte) (warehouse.Micros, Command, error) {
	kind, at, body, err := open(data)
	if err != nil {
		return 0, nil, err
	}
	cmd, err := decoders[kind](body)
	if err != nil {
		return 0, nil, warehouse.Errorf(warehouse.Corrupt, "decode command %s: %w", kind, err)
	}
	return at, cmd, nil
}

// Check reports whether data is an undamaged command of a kind that this build
// knows, without the cost of decoding its body.
func Check(data []byte) error {
	_, _, _, err := open(data)
	return err
}

// open checks the envelope and returns what it holds.
func open(data []byte) (Kind, warehouse.Micros, []byte, error) {
	if len(data) < minEnvelopeBytes {
		return 0, 0, nil, warehouse.Errorf(warehouse.Corrupt, "decode command: %d bytes are too few", len(data))
	}
	payload, sum := data[:len(data)-crcBytes], binary.LittleEndian.Uint32(data[len(data)-crcBytes:])
	if got := crc32.Checksum(payload, castagnoli); got != sum {
		return 0, 0, nil, warehouse.Errorf(warehouse.Corrupt, "decode command: checksum is %08x, the bytes give %08x", sum, got)
	}
	d := warehouse.NewDecoder("command", payload)
	d.Version(envelopeVersion)
	kind := Kind(d.Byte())
	if _, ok := decoders[kind]; !ok {
		d.Failf("%s: this build does not know it", kind)
	}
	at := warehouse.Micros(d.Varint())
	return kind, at, d.Rest(), d.Err()
}

// decoders read the bodies.
var decoders = map[Kind]func(body []byte) (Command, error){
	KindAddSegment:       decodeAddSegment,
	KindAbortSegment:     decodeAbortSegment,
	KindReplaceParts:     decodeReplaceParts,
	KindSetTenant:        decodeSetTenant,
	KindSetRetention:     decodeSetRetention,
	KindExpire:           decodeExpire,
	KindForgetTombstones: decodeForgetTombstones,
	KindTakeJobs:         decodeTakeJobs,
	KindRenewJobs:        decodeRenewJobs,
	KindFinishJob:        decodeFinishJob,
	KindFailJob:          decodeFailJob,
	KindReleaseJobs:      decodeReleaseJobs,
	KindFenceObjects:     decodeFenceObjects,
	KindDelete:           decodeDelete,
	KindSetRetentionRule: decodeSetRetentionRule,
}

// CheckCommandVersion refuses an undamaged command of a version or of a kind that
// this build does not know: an Invalid error that names what it knows. Nothing
// else is checked: damage is for Check to find.
func CheckCommandVersion(data []byte) error {
	if len(data) < minEnvelopeBytes {
		return nil
	}
	payload, sum := data[:len(data)-crcBytes], binary.LittleEndian.Uint32(data[len(data)-crcBytes:])
	if crc32.Checksum(payload, castagnoli) != sum {
		return nil
	}
	kind := Kind(payload[1])
	_, known := decoders[kind]
	switch {
	case payload[0] > envelopeVersion:
		return warehouse.Errorf(warehouse.Invalid, "its format version is %d, this build reads 1 to %d: use a newer one", payload[0], envelopeVersion)
	case payload[0] == envelopeVersion && int(kind) > len(Kinds) && !known:
		return warehouse.Errorf(warehouse.Invalid, "it is %s, this build knows 1 to %d: use a newer one", kind, len(Kinds))
	}
	return nil
}
