package block

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// checkSchema compares the file's schema, as parquet-go understands it, with the
// table: names, types, field ids, logical types and repetition.
func (s *secondReader) checkSchema() error {
	got, want := s.file.Metadata().Schema, s.tab.foreignSchema()
	if len(got) != len(want) {
		return fmt.Errorf("schema has %d elements, want %d", len(got), len(want))
	}
	want[0].Name = got[0].Name // the root's name means nothing
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			return fmt.Errorf("schema element %d is %q, want %q", i, elementText(&got[i]), elementText(&want[i]))
		}
	}
	return nil
}

// foreignSchema returns the table's schema in parquet-go's words, depth first.
//
// Why: it is made from the columns and not from what our encoder writes, so that
// a mistake there shows.
func (t *table) foreignSchema() []format.SchemaElement {
	elements := []format.SchemaElement{foreignGroup("", len(t.columns), nil)}
	elements[0].RepetitionType = thrift.Null[format.FieldRepetitionType]{}
	for _, c := range t.columns {
		switch c.shape {
		case required, optional:
			leaf := c.kind.foreign(c.name, c.id)
			if c.shape == optional {
				leaf.RepetitionType = thrift.New(format.Optional)
			}
			elements = append(elements, leaf)
		case listOf:
			list := foreignGroup(c.name, 1, &format.ListType{})
			list.FieldID, list.ConvertedType = c.id, thrift.New(deprecated.List)
			elements = append(elements, list, foreignRepeated("list", 1), c.kind.foreign("element", c.id+1))
		case mapOf:
			entries := foreignGroup(c.name, 1, &format.MapType{})
			entries.FieldID, entries.ConvertedType = c.id, thrift.New(deprecated.Map)
			elements = append(elements, entries, foreignRepeated("key_value", 2), c.kind.foreign("key", c.id+1), c.kind.foreign("value", c.id+2))
		}
	}
	return elements
}

// foreignGroup returns a required group.
func foreignGroup(name string, children int, logical format.LogicalTypeValue) format.SchemaElement {
	return format.SchemaElement{
		Name: name, NumChildren: thrift.New(int32(children)), RepetitionType: thrift.New(format.Required),
		LogicalType: format.LogicalType{Value: logical},
	}
}

// foreignRepeated returns a repeated group without an id.
func foreignRepeated(name string, children int) format.SchemaElement {
	e := foreignGroup(name, children, nil)
	e.RepetitionType = thrift.New(format.Repeated)
	return e
}

// foreign returns a required leaf of the kind.
func (k kind) foreign(name string, id int32) format.SchemaElement {
	e := format.SchemaElement{Name: name, FieldID: id, RepetitionType: thrift.New(format.Required)}
	switch k {
	case kindTime:
		unit := format.TimeUnit{Value: &format.MicroSeconds{}}
		e.Type, e.ConvertedType = thrift.New(format.Int64), thrift.New(deprecated.TimestampMicros)
		e.LogicalType.Value = &format.TimestampType{IsAdjustedToUTC: true, Unit: unit}
	case kindInt64:
		e.Type = thrift.New(format.Int64)
	case kindInt32:
		e.Type = thrift.New(format.Int32)
	case kindString:
		e.Type, e.ConvertedType = thrift.New(format.ByteArray), thrift.New(deprecated.UTF8)
		e.LogicalType.Value = &format.StringType{}
	case kindUUID:
		e.Type, e.TypeLength = thrift.New(format.FixedLenByteArray), thrift.New(int32(16))
		e.LogicalType.Value = &format.UUIDType{}
	case kindDecimal:
		e.Type, e.TypeLength, e.ConvertedType = thrift.New(format.FixedLenByteArray), thrift.New(int32(16)), thrift.New(deprecated.Decimal)
		e.Scale, e.Precision = thrift.New(int32(0)), thrift.New(int32(decimalPrecision))
		e.LogicalType.Value = &format.DecimalType{Precision: decimalPrecision}
	case kindBool:
		e.Type = thrift.New(format.Boolean)
	}
	return e
}

// elementText describes an element for people, as in
// "required INT64 time TIMESTAMP(isAdjustedToUTC=true,unit=MICROS) = 1".
func elementText(e *format.SchemaElement) string {
	words := []string{"no repetition", "group"}
	if e.RepetitionType.Valid {
		words[0] = strings.ToLower(e.RepetitionType.V.String())
	}
	if e.Type.Valid {
		words[1] = e.Type.V.String()
	}
	if e.TypeLength.Valid {
		words[1] += fmt.Sprintf("(%d)", e.TypeLength.V)
	}
	if e.NumChildren.Valid {
		words[1] += fmt.Sprintf(" of %d", e.NumChildren.V)
	}
	words = append(words, e.Name)
	if e.LogicalType.Value != nil {
		words = append(words, e.LogicalType.Value.String())
	}
	if e.ConvertedType.Valid {
		words = append(words, fmt.Sprintf("(converted type %d)", e.ConvertedType.V))
	}
	return strings.Join(words, " ") + fmt.Sprintf(" = %d", e.FieldID)
}
