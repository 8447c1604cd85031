package pgwire

import (
	"bytes"
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// elemType is the DuckDB type of a list's elements; where it is not known, what
// Arrow says has to do.
func elemType(t statement.Type) statement.Type {
	if t.Elem != nil {
		return *t.Elem
	}
	return statement.Type{}
}

// elemArrow is the Arrow type of a list's elements.
func elemArrow(dt arrow.DataType) arrow.DataType { return dt.(arrow.ListLikeType).Elem() }

func textList(t statement.Type, dt arrow.DataType, st *style) appendFunc {
	if !isList(t) || isNested(t) {
		return jsonFunc(t, dt, st)
	}
	return textArray(textFunc(*t.Elem, elemArrow(dt), st))
}

// textArray writes {1,NULL,"a b"}.
func textArray(elem appendFunc) appendFunc {
	return func(dst []byte, a arrow.Array, i int) []byte {
		list := a.(array.ListLike)
		from, to := list.ValueOffsets(i)
		values := list.ListValues()
		dst = append(dst, '{')
		for j := int(from); j < int(to); j++ {
			if j > int(from) {
				dst = append(dst, ',')
			}
			if values.IsNull(j) {
				dst = append(dst, "NULL"...)
				continue
			}
			start := len(dst)
			dst = quoteElement(elem(dst, values, j), start)
		}
		return append(dst, '}')
	}
}

// quoteElement quotes what stands from start on, where an array's text needs it.
func quoteElement(dst []byte, start int) []byte {
	if !needsQuotes(dst[start:]) {
		return dst
	}
	value := bytes.Clone(dst[start:])
	dst = append(dst[:start], '"')
	for _, c := range value {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

func needsQuotes(v []byte) bool {
	return len(v) == 0 || bytes.EqualFold(v, []byte("null")) || bytes.ContainsAny(v, "{}\",\\ \t\n\r\v\f")
}

// binaryArray writes PostgreSQL's array of one dimension:
//
//	int32 dimensions: 1, or 0 if it is empty
//	int32 1 if there are NULLs
//	uint32 OID of the elements
//	int32 length, int32 lower bound 1   – only with a dimension
//	each element: int32 length (-1: NULL), value
func binaryArray(elem appendFunc, elemOID uint32) appendFunc {
	return func(dst []byte, a arrow.Array, i int) []byte {
		list := a.(array.ListLike)
		from, to := list.ValueOffsets(i)
		values := list.ListValues()
		start := len(dst)
		dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
		dst = binary.BigEndian.AppendUint32(dst, elemOID)
		if from == to {
			return dst
		}
		dst[start+3] = 1
		dst = binary.BigEndian.AppendUint32(dst, uint32(to-from))
		dst = binary.BigEndian.AppendUint32(dst, 1)
		for j := int(from); j < int(to); j++ {
			if values.IsNull(j) {
				dst[start+7] = 1
			}
			dst = appendValue(dst, elem, values, j)
		}
		return dst
	}
}
