package profile

import (
	"encoding/binary"

	"github.com/google/uuid"
	"github.com/zeebo/xxh3"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// The canonical encoding. An id is the signed value of xxh3-64, seed 0, over one
// record; what is equal has equal ids, in every process and for ever.
//
// Format: never change. testdata/identity.txt holds examples of every record.
//
//	str(s)   = uvarint(len) ‖ bytes            UTF-8
//	zz(i)    = zigzag varint
//	H(x)     = xxh3-64 of record x, 8 bytes little-endian
//
//	function   01 | str(name) | str(system name) | str(file name) | zz(start line)
//
//	           01 04 6d 61 69 6e 00 05 6d 2e 67 6f ...
//	              ^4 m  a  i  n  ^0 ^5 m  .  g  o
//
//	location   02 | str(base name of the mapping's file) | uvarint(n)
//	              | n × ( H(function) | zz(line) )
//	           with symbols: n ≥ 1 lines, innermost inlined call first. Neither
//	           build id nor address nor column: they change with every build.
//
//	           03 | str(build id, else the mapping's file, else empty)
//	              | uvarint(address − mapping.start + mapping.offset)
//	           without symbols: relative to the file, modulo 2^64; without a
//	           mapping the raw address.
//
//	stack      04 | uvarint(n) | n × H(location)
//	           leaf first, after the depth limit; n may be 0
//
//	series     05 | str(profile type) | uvarint(n) | n × ( str(name) | str(value) )
//	           names bytewise ascending; service_name is among them, labels that
//	           are derived from the profile type are not
//
//	profile    uvarint(n) | n × ( str(name) | str(value) ) | body | ordinal u64le
//	           xxh3-128 of: the labels as sent, sorted; the inflated pprof; the
//	           number of equal profiles before it in its request. The digest's
//	           high half comes first, big-endian; then version 8 and variant 2
//	           of RFC 9562 are set.
const (
	recordFunction = 1
	recordLocation = 2
	recordAddress  = 3
	recordStack    = 4
	recordSeries   = 5
)

func hashRecord(record []byte) uint64 { return xxh3.Hash(record) }

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendFunction(dst []byte, name, system, file string, startLine int64) []byte {
	dst = append(dst, recordFunction)
	dst = appendString(dst, name)
	dst = appendString(dst, system)
	dst = appendString(dst, file)
	return binary.AppendVarint(dst, startLine)
}

// appendLocation begins a location with n lines, which appendLine adds.
func appendLocation(dst []byte, mappingBase string, n int) []byte {
	dst = append(dst, recordLocation)
	dst = appendString(dst, mappingBase)
	return binary.AppendUvarint(dst, uint64(n))
}

func appendLine(dst []byte, function uint64, line int64) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, function)
	return binary.AppendVarint(dst, line)
}

func appendAddress(dst []byte, binaryName string, address uint64) []byte {
	dst = append(dst, recordAddress)
	dst = appendString(dst, binaryName)
	return binary.AppendUvarint(dst, address)
}

// appendStack begins a stack of n locations, whose hashes follow.
func appendStack(dst []byte, n int) []byte {
	dst = append(dst, recordStack)
	return binary.AppendUvarint(dst, uint64(n))
}

func appendLabels(dst []byte, ls []warehouse.Label) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(ls)))
	for _, l := range ls {
		dst = appendString(dst, l.Name)
		dst = appendString(dst, l.Value)
	}
	return dst
}

func appendSeries(dst []byte, profileType string, ls warehouse.Labels) []byte {
	dst = append(dst, recordSeries)
	dst = appendString(dst, profileType)
	return appendLabels(dst, ls)
}

// SeriesIDOf returns the id of a series from its content. The labels include
// service_name and exclude derived ones.
func SeriesIDOf(t warehouse.ProfileType, ls warehouse.Labels) warehouse.SeriesID {
	return warehouse.SeriesID(hashRecord(appendSeries(nil, t.String(), ls)))
}

// contentID returns the id of a profile record.
func contentID(record []byte) warehouse.ProfileID {
	id := warehouse.ProfileID(xxh3.Hash128(record).Bytes())
	id[6] = id[6]&0x0f | 8<<4
	id[8] = id[8]&0x3f | 2<<6
	return id
}

// randomID returns an id that no other profile has.
func randomID() warehouse.ProfileID { return warehouse.ProfileID(uuid.New()) }
