package block

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// kind is the type of a column's values.
type kind uint8

const (
	kindTime    kind = iota // INT64, TIMESTAMP(MICROS, adjusted to UTC)
	kindInt64               // INT64
	kindInt32               // INT32
	kindString              // BYTE_ARRAY, STRING
	kindUUID                // FIXED_LEN_BYTE_ARRAY(16), UUID
	kindDecimal             // FIXED_LEN_BYTE_ARRAY(16), DECIMAL(38, 0), big-endian two's complement
	kindBool                // BOOLEAN
)

// shape says how many values a row has.
type shape uint8

const (
	required shape = iota // one
	optional              // none or one
	listOf                // a list of required values
	mapOf                 // a map of required keys and values, both of the column's kind
)

// column is one column of a table.
//
// Format: names, kinds, shapes and ids are stored; never change them.
type column struct {
	name  string
	kind  kind
	shape shape
	id    int32 // field id; the values inside a list have id+1, keys of a map id+1, its values id+2
}

// table is the description from which everything else about a table is made.
type table struct {
	columns []column
	sorted  []string // names of the columns by which rows are sorted
	arrow   *arrow.Schema
	parquet []schemaElement // depth first
	leaves  []leafSpec
}

// leafSpec is one leaf of the Parquet schema: where values are stored.
type leafSpec struct {
	path   []string // names from the top-level column down
	kind   kind
	shape  shape
	column int // index in table.columns
	part   int // mapOf: 0 for keys, 1 for values; else 0
}

// nested reports whether a row may have any number of the leaf's values.
func (l *leafSpec) nested() bool { return l.shape == listOf || l.shape == mapOf }

var sampleOrder = []string{"service_name", "profile_type", "series_id", "time", "profile_id", "stacktrace_id"}

var tables = map[warehouse.Table]*table{
	warehouse.TableSamples: newTable(sampleOrder,
		column{"time", kindTime, required, 1},
		column{"service_name", kindString, required, 2},
		column{"profile_type", kindString, required, 3},
		column{"series_id", kindInt64, required, 4},
		column{"stacktrace_id", kindInt64, required, 5},
		column{"profile_id", kindUUID, required, 6},
		column{"span_id", kindString, optional, 7},
		column{"trace_id", kindString, optional, 8},
		column{"attributes_id", kindInt64, optional, 9},
		column{"value", kindInt64, required, 10},
	),
	warehouse.TableProfiles: newTable(sampleOrder[:5],
		column{"time", kindTime, required, 1},
		column{"service_name", kindString, required, 2},
		column{"profile_type", kindString, required, 3},
		column{"series_id", kindInt64, required, 4},
		column{"profile_id", kindUUID, required, 5},
		column{"duration_ns", kindInt64, required, 6},
		column{"period", kindInt64, required, 7},
		column{"value", kindInt64, required, 8},
		column{"samples", kindInt32, required, 9},
		column{"received", kindTime, required, 10},
		column{"flags", kindInt32, required, 11},
	),
	warehouse.TableSeries: newTable([]string{"series_id"},
		column{"series_id", kindInt64, required, 1},
		column{"service_name", kindString, required, 2},
		column{"profile_type", kindString, required, 3},
		column{"labels", kindString, mapOf, 4},
	),
	warehouse.TableStacktraces: newTable([]string{"stacktrace_id"},
		column{"stacktrace_id", kindInt64, required, 1},
		column{"functions", kindString, listOf, 2},
		column{"system_names", kindString, listOf, 4},
		column{"filenames", kindString, listOf, 6},
		column{"lines", kindInt64, listOf, 8},
		column{"start_lines", kindInt64, listOf, 10},
		column{"mappings", kindString, listOf, 12},
		column{"build_ids", kindString, listOf, 14},
		column{"addresses", kindInt64, listOf, 16},
		column{"inlined", kindBool, listOf, 18},
	),
	warehouse.TableStackTotals: newTable([]string{"service_name", "profile_type", "stacktrace_id", "hour"},
		column{"hour", kindTime, required, 1},
		column{"service_name", kindString, required, 2},
		column{"profile_type", kindString, required, 3},
		column{"stacktrace_id", kindInt64, required, 4},
		column{"value", kindDecimal, required, 5},
		column{"samples", kindInt64, required, 6},
	),
}

// ArrowSchema returns the schema of the record batches that [AppendParquet]
// takes, or nil for an unknown table. All strings but span and trace ids are
// dictionaries of int32 indices; AppendParquet takes plain strings as well.
func ArrowSchema(t warehouse.Table) *arrow.Schema {
	if tab, ok := tables[t]; ok {
		return tab.arrow
	}
	return nil
}

// Tables returns all tables in the order of their numbers.
func Tables() []warehouse.Table {
	return []warehouse.Table{
		warehouse.TableSamples, warehouse.TableProfiles, warehouse.TableSeries,
		warehouse.TableStacktraces, warehouse.TableStackTotals,
	}
}

// leafIndex returns the number of the leaf that is the top-level column.
func (t *table) leafIndex(name string) int32 {
	for i := range t.leaves {
		if t.leaves[i].path[0] == name {
			return int32(i)
		}
	}
	panic(warehouse.Bug("no column %q", name))
}

func tableOf(t warehouse.Table) (*table, error) {
	tab, ok := tables[t]
	if !ok {
		return nil, warehouse.Errorf(warehouse.Invalid, "%s has no schema", t)
	}
	return tab, nil
}

func newTable(sorted []string, columns ...column) *table {
	t := &table{columns: columns, sorted: sorted}
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = arrow.Field{Name: c.name, Type: c.arrowType(), Nullable: c.shape == optional}
		t.leaves = append(t.leaves, c.leaves(i)...)
	}
	t.arrow = arrow.NewSchema(fields, nil)
	t.parquet = t.elements()
	return t
}

func (c column) leaves(index int) []leafSpec {
	leaf := leafSpec{path: []string{c.name}, kind: c.kind, shape: c.shape, column: index}
	switch c.shape {
	case listOf:
		leaf.path = []string{c.name, "list", "element"}
	case mapOf:
		value := leaf
		leaf.path = []string{c.name, "key_value", "key"}
		value.path = []string{c.name, "key_value", "value"}
		value.part = 1
		return []leafSpec{leaf, value}
	}
	return []leafSpec{leaf}
}

var dictionaryType = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}

// arrowType returns the column's Arrow type. Strings are dictionaries, except
// span and trace ids (optional), of which few repeat.
func (c column) arrowType() arrow.DataType {
	switch c.shape {
	case mapOf:
		return arrow.MapOfFields(arrow.Field{Type: dictionaryType}, arrow.Field{Type: dictionaryType})
	case listOf:
		return arrow.ListOfNonNullable(c.kind.arrowType(true))
	}
	return c.kind.arrowType(c.shape == required)
}

func (k kind) arrowType(dictionary bool) arrow.DataType {
	switch k {
	case kindTime:
		return arrow.FixedWidthTypes.Timestamp_us
	case kindInt64:
		return arrow.PrimitiveTypes.Int64
	case kindInt32:
		return arrow.PrimitiveTypes.Int32
	case kindUUID:
		return &arrow.FixedSizeBinaryType{ByteWidth: 16}
	case kindDecimal:
		return &arrow.Decimal128Type{Precision: decimalPrecision}
	case kindBool:
		return arrow.FixedWidthTypes.Boolean
	}
	if dictionary {
		return dictionaryType
	}
	return arrow.BinaryTypes.String
}
