package pgwire

import (
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stackhouse-db/stackhouse/sql/lex"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// jsonFunc returns the encoder of a value within a JSON document, as PostgreSQL's
// to_json would write it: numbers and booleans as such, all other scalars as the
// text they have elsewhere.
func jsonFunc(t statement.Type, dt arrow.DataType, st *style) appendFunc {
	switch dt := dt.(type) {
	case *arrow.BooleanType:
		return jsonBool
	case *arrow.Float32Type, *arrow.Float64Type:
		return jsonFloat(textFunc(t, dt, st))
	case *arrow.Int8Type, *arrow.Int16Type, *arrow.Int32Type, *arrow.Int64Type,
		*arrow.Uint8Type, *arrow.Uint16Type, *arrow.Uint32Type, *arrow.Uint64Type, *arrow.Decimal128Type:
		return textFunc(t, dt, st)
	case *arrow.TimestampType:
		return jsonTimestamp(t, dt, st)
	case *arrow.MapType: // before lists, which it is too
		return jsonMap(t, dt, st)
	case *arrow.ListType, *arrow.LargeListType, *arrow.FixedSizeListType:
		return jsonList(jsonFunc(elemType(t), elemArrow(dt), st))
	case *arrow.StructType:
		return jsonStruct(t, dt, st)
	case *arrow.SparseUnionType:
		return jsonUnion(t, dt, st)
	}
	if t.Name == statement.JSON {
		return textFunc(t, dt, st)
	}
	return jsonText(textFunc(t, dt, st))
}

func jsonBool(dst []byte, a arrow.Array, i int) []byte {
	return strconv.AppendBool(dst, a.(*array.Boolean).Value(i))
}

// jsonFloat quotes what is no JSON number: NaN and the infinities.
func jsonFloat(text appendFunc) appendFunc {
	return func(dst []byte, a arrow.Array, i int) []byte {
		start := len(dst)
		dst = text(dst, a, i)
		if last := dst[len(dst)-1]; lex.IsDigit(last) {
			return dst
		}
		return quoteJSON(dst, start)
	}
}

// jsonTimestamp has a T between date and time.
func jsonTimestamp(t statement.Type, dt *arrow.TimestampType, st *style) appendFunc {
	get, zoned := timestampFunc(dt), isZoned(t)
	return func(dst []byte, a arrow.Array, i int) []byte {
		dst = append(dst, '"')
		if zoned {
			dst = appendInstant(dst, get(a, i), st.zone, 'T')
		} else {
			dst = appendTimestamp(dst, get(a, i), 'T')
		}
		return append(dst, '"')
	}
}

// jsonText quotes a text.
func jsonText(text appendFunc) appendFunc {
	return func(dst []byte, a arrow.Array, i int) []byte {
		start := len(dst)
		return quoteJSON(text(dst, a, i), start)
	}
}

// quoteJSON turns what stands from start on into a JSON string.
func quoteJSON(dst []byte, start int) []byte {
	value := string(dst[start:])
	dst = append(dst[:start], '"')
	for i := 0; i < len(value); {
		c := value[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(value[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		dst = appendJSONByte(dst, c)
		i++
	}
	return append(dst, '"')
}

func appendJSONByte(dst []byte, c byte) []byte {
	const hexDigits = "0123456789abcdef"
	switch {
	case c == '"' || c == '\\':
		return append(dst, '\\', c)
	case c == '\n':
		return append(dst, '\\', 'n')
	case c == '\r':
		return append(dst, '\\', 'r')
	case c == '\t':
		return append(dst, '\\', 't')
	case c < 0x20:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, c)
}

// orNull appends a value, or null.
func orNull(dst []byte, fn appendFunc, a arrow.Array, i int) []byte {
	if a.IsNull(i) {
		return append(dst, "null"...)
	}
	return fn(dst, a, i)
}

func jsonList(elem appendFunc) appendFunc {
	return func(dst []byte, a arrow.Array, i int) []byte {
		list := a.(array.ListLike)
		from, to := list.ValueOffsets(i)
		dst = append(dst, '[')
		for j := int(from); j < int(to); j++ {
			if j > int(from) {
				dst = append(dst, ',')
			}
			dst = orNull(dst, elem, list.ListValues(), j)
		}
		return append(dst, ']')
	}
}

func jsonStruct(t statement.Type, dt *arrow.StructType, st *style) appendFunc {
	fields := make([]appendFunc, dt.NumFields())
	names := make([][]byte, dt.NumFields())
	for f, field := range dt.Fields() {
		fields[f] = jsonFunc(fieldType(t, f), field.Type, st)
		names[f] = append(quoteJSON([]byte(field.Name), 0), ':')
	}
	return func(dst []byte, a arrow.Array, i int) []byte {
		s := a.(*array.Struct)
		dst = append(dst, '{')
		for f, fn := range fields {
			if f > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, names[f]...)
			dst = orNull(dst, fn, s.Field(f), i)
		}
		return append(dst, '}')
	}
}

// fieldType is the DuckDB type of a member, as far as it is known.
func fieldType(t statement.Type, f int) statement.Type {
	if f < len(t.Fields) {
		return t.Fields[f].Type
	}
	return statement.Type{}
}

// jsonMap writes an object: keys are text there, whatever they are in DuckDB.
func jsonMap(t statement.Type, dt *arrow.MapType, st *style) appendFunc {
	keyType := statement.Type{}
	if t.Key != nil {
		keyType = *t.Key
	}
	key := jsonText(textFunc(keyType, dt.KeyType(), st))
	item := jsonFunc(elemType(t), dt.ItemType(), st)
	return func(dst []byte, a arrow.Array, i int) []byte {
		m := a.(*array.Map)
		from, to := m.ValueOffsets(i)
		dst = append(dst, '{')
		for j := int(from); j < int(to); j++ {
			if j > int(from) {
				dst = append(dst, ',')
			}
			dst = key(dst, m.Keys(), j)
			dst = append(dst, ':')
			dst = orNull(dst, item, m.Items(), j)
		}
		return append(dst, '}')
	}
}

// jsonUnion writes the member that is set.
func jsonUnion(t statement.Type, dt *arrow.SparseUnionType, st *style) appendFunc {
	members := make([]appendFunc, dt.NumFields())
	for f, field := range dt.Fields() {
		members[f] = jsonFunc(fieldType(t, f), field.Type, st)
	}
	return func(dst []byte, a arrow.Array, i int) []byte {
		u := a.(*array.SparseUnion)
		f := u.ChildID(i)
		return orNull(dst, members[f], u.Field(f), i)
	}
}
