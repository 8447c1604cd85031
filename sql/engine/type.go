package engine

import duckdb "github.com/duckdb/duckdb-go-bindings"

// Type is a DuckDB type.
type Type struct {
	Name             string  // BIGINT, DECIMAL, LIST, …; "" when it is not known
	Precision, Scale int     // of DECIMAL
	Elem             *Type   // of LIST, ARRAY and MAP (its value)
	Key              *Type   // of MAP
	Fields           []Field // of STRUCT and UNION
	Size             int     // of ARRAY
}

// Field is a member of a STRUCT or UNION.
type Field struct {
	Name string
	Type Type
}

// typeNames are DuckDB's types by their C constant.
var typeNames = map[duckdb.Type]string{
	duckdb.TypeBoolean:        "BOOLEAN",
	duckdb.TypeTinyInt:        "TINYINT",
	duckdb.TypeSmallInt:       "SMALLINT",
	duckdb.TypeInteger:        "INTEGER",
	duckdb.TypeBigInt:         "BIGINT",
	duckdb.TypeUTinyInt:       "UTINYINT",
	duckdb.TypeUSmallInt:      "USMALLINT",
	duckdb.TypeUInteger:       "UINTEGER",
	duckdb.TypeUBigInt:        "UBIGINT",
	duckdb.TypeHugeInt:        "HUGEINT",
	duckdb.TypeUHugeInt:       "UHUGEINT",
	duckdb.TypeFloat:          "FLOAT",
	duckdb.TypeDouble:         "DOUBLE",
	duckdb.TypeDecimal:        "DECIMAL",
	duckdb.TypeVarchar:        "VARCHAR",
	duckdb.TypeStringLiteral:  "VARCHAR",
	duckdb.TypeIntegerLiteral: "BIGINT",
	duckdb.TypeBlob:           "BLOB",
	duckdb.TypeBit:            "BIT",
	duckdb.TypeBigNum:         "BIGNUM",
	duckdb.TypeDate:           "DATE",
	duckdb.TypeTime:           "TIME",
	duckdb.TypeTimeNS:         "TIME_NS",
	duckdb.TypeTimeTZ:         "TIMETZ",
	duckdb.TypeTimestamp:      "TIMESTAMP",
	duckdb.TypeTimestampS:     "TIMESTAMP_S",
	duckdb.TypeTimestampMS:    "TIMESTAMP_MS",
	duckdb.TypeTimestampNS:    "TIMESTAMP_NS",
	duckdb.TypeTimestampTZ:    "TIMESTAMPTZ",
	duckdb.TypeInterval:       "INTERVAL",
	duckdb.TypeUUID:           "UUID",
	duckdb.TypeEnum:           "ENUM",
	duckdb.TypeList:           "LIST",
	duckdb.TypeArray:          "ARRAY",
	duckdb.TypeStruct:         "STRUCT",
	duckdb.TypeMap:            "MAP",
	duckdb.TypeUnion:          "UNION",
	duckdb.TypeSQLNull:        "NULL",
	duckdb.TypeGeometry:       "GEOMETRY",
	duckdb.TypeVariant:        "VARIANT",
}

// aliasJSON is how DuckDB marks the text type JSON.
const aliasJSON = "JSON"

// typeOf describes a logical type, which stays its caller's.
func typeOf(lt duckdb.LogicalType) Type {
	id := duckdb.GetTypeId(lt)
	t := Type{Name: typeNames[id]}
	switch id {
	case duckdb.TypeVarchar:
		if duckdb.LogicalTypeGetAlias(lt) == aliasJSON {
			t.Name = aliasJSON
		}
	case duckdb.TypeDecimal:
		t.Precision, t.Scale = int(duckdb.DecimalWidth(lt)), int(duckdb.DecimalScale(lt))
	case duckdb.TypeList:
		t.Elem = take(duckdb.ListTypeChildType(lt))
	case duckdb.TypeArray:
		t.Elem, t.Size = take(duckdb.ArrayTypeChildType(lt)), int(duckdb.ArrayTypeArraySize(lt))
	case duckdb.TypeMap:
		t.Key, t.Elem = take(duckdb.MapTypeKeyType(lt)), take(duckdb.MapTypeValueType(lt))
	case duckdb.TypeStruct:
		for n := range duckdb.StructTypeChildCount(lt) {
			t.Fields = append(t.Fields, Field{Name: duckdb.StructTypeChildName(lt, n), Type: *take(duckdb.StructTypeChildType(lt, n))})
		}
	case duckdb.TypeUnion:
		for n := range duckdb.UnionTypeMemberCount(lt) {
			t.Fields = append(t.Fields, Field{Name: duckdb.UnionTypeMemberName(lt, n), Type: *take(duckdb.UnionTypeMemberType(lt, n))})
		}
	}
	return t
}

// take describes a logical type and frees it.
func take(lt duckdb.LogicalType) *Type {
	defer duckdb.DestroyLogicalType(&lt)
	t := typeOf(lt)
	return &t
}
