package pgwire

import (
	"strings"

	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// PostgreSQL's type OIDs. They are part of the protocol: never renumber.
const (
	oidBool        = 16
	oidBytea       = 17
	oidChar        = 18 // "char"
	oidName        = 19
	oidInt8        = 20
	oidInt2        = 21
	oidInt2Vector  = 22
	oidInt4        = 23
	oidRegproc     = 24
	oidText        = 25
	oidOID         = 26
	oidXID         = 28
	oidOIDVector   = 30
	oidJSON        = 114
	oidXML         = 142
	oidPGNodeTree  = 194
	oidFloat4      = 700
	oidFloat8      = 701
	oidUnknown     = 705
	oidBPChar      = 1042
	oidVarchar     = 1043
	oidDate        = 1082
	oidTime        = 1083
	oidTimestamp   = 1114
	oidTimestampTZ = 1184
	oidInterval    = 1186
	oidTimeTZ      = 1266
	oidNumeric     = 1700
	oidRegclass    = 2205
	oidRegtype     = 2206
	oidUUID        = 2950
	oidJSONB       = 3802
)

// The formats of values.
const (
	formatText   int16 = 0
	formatBinary int16 = 1
)

// scalars are the types that values have, with their arrays, sizes in bytes (-1
// varies) and the DuckDB type of a parameter declared so ("" to infer it).
var scalars = []struct {
	oid, array uint32
	size       int16
	name       string // as format_type spells it; further spellings are in typeAliases
	duck       string
}{
	{oidBool, 1000, 1, "boolean", statement.Boolean},
	{oidBytea, 1001, -1, "bytea", statement.Blob},
	{oidChar, 1002, 1, `"char"`, statement.Varchar},
	{oidName, 1003, 64, "name", statement.Varchar},
	{oidInt8, 1016, 8, "bigint", statement.BigInt},
	{oidInt2, 1005, 2, "smallint", statement.SmallInt},
	{oidInt2Vector, 1006, -1, "int2vector", ""},
	{oidInt4, 1007, 4, "integer", statement.Integer},
	{oidRegproc, 1008, 4, "regproc", ""},
	{oidText, 1009, -1, "text", statement.Varchar},
	{oidOID, 1028, 4, "oid", statement.BigInt},
	{oidXID, 1011, 4, "xid", statement.BigInt},
	{oidOIDVector, 1013, -1, "oidvector", ""},
	{oidJSON, 199, -1, "json", statement.JSON},
	{oidXML, 143, -1, "xml", statement.Varchar},
	{oidPGNodeTree, 0, -1, "pg_node_tree", statement.Varchar},
	{oidFloat4, 1021, 4, "real", statement.Float},
	{oidFloat8, 1022, 8, "double precision", statement.Double},
	{oidBPChar, 1014, -1, "character", statement.Varchar},
	{oidVarchar, 1015, -1, "character varying", statement.Varchar},
	{oidDate, 1182, 4, "date", statement.Date},
	{oidTime, 1183, 8, "time without time zone", statement.Time},
	{oidTimestamp, 1115, 8, "timestamp without time zone", statement.Timestamp},
	{oidTimestampTZ, 1185, 8, "timestamp with time zone", statement.TimestampTZ},
	{oidInterval, 1187, 16, "interval", statement.Interval},
	{oidTimeTZ, 1270, 12, "time with time zone", ""},
	{oidNumeric, 1231, -1, "numeric", ""}, // DuckDB would take DECIMAL for DECIMAL(18, 3)
	{oidRegclass, 2210, 4, "regclass", ""},
	{oidRegtype, 2211, 4, "regtype", ""},
	{oidUUID, 2951, 16, "uuid", statement.UUID},
	{oidJSONB, 3807, -1, "jsonb", statement.JSON},
}

// typeAliases are the other names of types in SQL.
var typeAliases = map[string]uint32{
	"bool": oidBool, "int8": oidInt8, "int2": oidInt2, "int4": oidInt4, "int": oidInt4,
	"float4": oidFloat4, "float8": oidFloat8, "float": oidFloat8, "decimal": oidNumeric,
	"varchar": oidVarchar, "char": oidBPChar, "bpchar": oidBPChar, "string": oidText,
	"time": oidTime, "timetz": oidTimeTZ, "timestamp": oidTimestamp, "timestamptz": oidTimestampTZ,
	"unknown": oidUnknown,
}

// pgType is a type as RowDescription shows it.
type pgType struct {
	oid    uint32
	size   int16
	typmod int32 // -1: none
}

var (
	sizes     = map[uint32]int16{}  // by OID of scalar
	arrays    = map[uint32]uint32{} // scalar's OID to its array's
	elements  = map[uint32]uint32{} // array's OID to its scalar's
	duckNames = map[uint32]string{} // by OID
	typeNames = map[string]uint32{} // by name
)

func init() {
	for _, s := range scalars {
		sizes[s.oid] = s.size
		duckNames[s.oid] = s.duck
		typeNames[s.name] = s.oid
		if s.array == 0 {
			continue
		}
		arrays[s.oid], elements[s.array] = s.array, s.oid
		if s.duck != "" {
			duckNames[s.array] = s.duck + "[]"
		}
	}
	for name, oid := range typeAliases {
		typeNames[name] = oid
	}
}

// scalarOIDs are the PostgreSQL types of DuckDB's scalar types. What is missing is
// text.
var scalarOIDs = map[string]uint32{
	statement.Boolean: oidBool,
	statement.TinyInt: oidInt2, statement.SmallInt: oidInt2, statement.Integer: oidInt4, statement.BigInt: oidInt8,
	statement.UTinyInt: oidInt2, statement.USmallInt: oidInt4, statement.UInteger: oidInt8, statement.UBigInt: oidNumeric,
	statement.HugeInt: oidNumeric, statement.UHugeInt: oidNumeric, statement.Decimal: oidNumeric,
	statement.Float: oidFloat4, statement.Double: oidFloat8,
	statement.Blob: oidBytea,
	statement.Date: oidDate, statement.Time: oidTime, "TIME_NS": oidTime, statement.TimeTZ: oidTime, // the Arrow values have no zone
	statement.Timestamp: oidTimestamp, statement.TimestampS: oidTimestamp, statement.TimestampMS: oidTimestamp, statement.TimestampNS: oidTimestamp,
	statement.TimestampTZ: oidTimestampTZ,
	statement.Interval:    oidInterval,
	statement.UUID:        oidUUID,
	statement.JSON:        oidJSON,
	statement.Struct:      oidJSON, statement.Map: oidJSON, statement.Union: oidJSON,
}

// typeOf returns the PostgreSQL type of a DuckDB type.
func typeOf(t statement.Type) pgType {
	if isList(t) {
		if isNested(t) {
			return pgType{oidJSON, -1, -1}
		}
		elem := typeOf(*t.Elem)
		return pgType{arrays[elem.oid], -1, elem.typmod}
	}
	oid, ok := scalarOIDs[t.Name]
	if !ok {
		oid = oidText
	}
	return pgType{oid, sizes[oid], typmod(t)}
}

// typmod is precision and scale as numeric's type modifier packs them.
func typmod(t statement.Type) int32 {
	switch {
	case t.Name == statement.UBigInt:
		return 20<<16 + 4
	case t.Name == statement.Decimal && t.Precision > 0:
		return int32(t.Precision<<16|t.Scale) + 4
	}
	return -1
}

func isList(t statement.Type) bool {
	return (t.Name == statement.List || t.Name == statement.Array) && t.Elem != nil
}

// isNested reports whether a list holds more than scalars: those are JSON, since
// PostgreSQL's arrays are rectangular and have no element type for STRUCT.
func isNested(t statement.Type) bool {
	switch t.Elem.Name {
	case statement.List, statement.Array, statement.Struct, statement.Map, statement.Union:
		return true
	}
	return false
}

// columnType is typeOf, unless the catalogue declares another type.
func columnType(c statement.Column) pgType {
	if c.PGType != "" {
		name, array := strings.CutSuffix(c.PGType, "[]")
		if oid, ok := oidOfName(name, array); ok && oid != oidUnknown {
			size := int16(-1)
			if !array {
				size = sizes[oid]
			}
			return pgType{oid, size, -1}
		}
	}
	return typeOf(c.Type)
}

// paramOID is the type of a parameter that the client did not declare.
func paramOID(t statement.Type) uint32 { return typeOf(t).oid }

// oidOfName returns the OID of a type that is named as in SQL; "char" has its
// quotes, since char is another type.
func oidOfName(name string, array bool) (oid uint32, ok bool) {
	oid, ok = typeNames[strings.ToLower(name)]
	if array {
		oid, ok = arrays[oid]
	}
	return oid, ok && oid != 0
}

// duckTypes returns the DuckDB names of declared parameter types.
func duckTypes(oids []uint32) []string {
	names := make([]string, len(oids))
	for i, oid := range oids {
		names[i] = duckNames[oid]
	}
	return names
}
