package statement

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// literal writes an argument as an expression of the parameter's type. Arguments are
// part of the text that is planned and run: both see the same constants, and no
// statement depends on what DuckDB cannot fold.
func literal(v any, t Type) (string, error) {
	text, err := untyped(v, t)
	if err != nil {
		return "", err
	}
	return "CAST(" + text + " AS " + typeText(t) + ")", nil
}

func untyped(v any, t Type) (string, error) {
	switch v := v.(type) {
	case nil:
		return "NULL", nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return number(v), nil
	case uint64:
		return strconv.FormatUint(v, 10), nil
	case *big.Int:
		return quoteText(v.String()), nil
	case DecimalValue:
		return quoteText(decimalText(v)), nil
	case float64:
		return floatText(v), nil
	case string:
		return stringText(v)
	case []byte:
		return "unhex('" + hex.EncodeToString(v) + "')", nil
	case time.Time:
		return timeText(v, t), nil
	case Infinity:
		if v < 0 {
			return "'-infinity'", nil
		}
		return "'infinity'", nil
	case time.Duration:
		return "TIMESTAMP '1970-01-01' + to_microseconds(" + number(v.Microseconds()) + "::BIGINT)", nil
	case IntervalValue:
		return fmt.Sprintf("(to_months(%s) + to_days(%s) + to_microseconds(%s::BIGINT))", number(int64(v.Months)), number(int64(v.Days)), number(v.Micros)), nil
	case [16]byte:
		return quoteText(uuidText(v)), nil
	case []any:
		return listText(v, t)
	}
	return "", errorf(stateNotSupported, "a parameter of Go's type %T is not supported", v)
}

// timeText writes an instant, or its UTC clock for types without a time zone.
func timeText(at time.Time, t Type) string {
	micros := number(at.UnixMicro()) + "::BIGINT)"
	switch t.Name {
	case Date, Timestamp, TimestampS, TimestampMS, TimestampNS:
		return "make_timestamp(" + micros
	}
	return "make_timestamptz(" + micros
}

// number writes an integer so that an operator or cast behind it is about all of it.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	if n < 0 {
		return "(" + s + ")"
	}
	return s
}

func floatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return "'nan'::DOUBLE"
	case math.IsInf(f, 1):
		return "'inf'::DOUBLE"
	case math.IsInf(f, -1):
		return "'-inf'::DOUBLE"
	}
	return quoteText(strconv.FormatFloat(f, 'g', -1, 64)) + "::DOUBLE"
}

func stringText(s string) (string, error) {
	if strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
		return "", errorf(stateInvalidEncoding, "a parameter is not valid UTF-8 without NUL characters")
	}
	return quoteText(s), nil
}

// maxScale bounds the digits of a decimal, so that a small message cannot make a
// huge text.
const maxScale = 1000

func decimalText(d DecimalValue) string {
	s := d.Unscaled.String()
	if d.Scale <= 0 || d.Scale > maxScale {
		return s
	}
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	if len(s) <= d.Scale {
		s = strings.Repeat("0", d.Scale-len(s)+1) + s
	}
	return sign + s[:len(s)-d.Scale] + "." + s[len(s)-d.Scale:]
}

func uuidText(u [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}

func listText(vs []any, t Type) (string, error) {
	elem := Type{Name: Varchar}
	if t.Elem != nil {
		elem = *t.Elem
	}
	parts := make([]string, len(vs))
	for i, v := range vs {
		text, err := literal(v, elem)
		if err != nil {
			return "", err
		}
		parts[i] = text
	}
	return "[" + strings.Join(parts, ", ") + "]", nil
}

func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// typeText writes a type as SQL.
func typeText(t Type) string {
	switch t.Name {
	case Decimal:
		if t.Precision > 0 {
			return fmt.Sprintf("DECIMAL(%d, %d)", t.Precision, t.Scale)
		}
		return "DECIMAL(38, 10)"
	case List:
		if t.Elem != nil {
			return typeText(*t.Elem) + "[]"
		}
	case Array:
		if t.Elem != nil {
			return fmt.Sprintf("%s[%d]", typeText(*t.Elem), t.Size)
		}
	case Map:
		if t.Key != nil && t.Elem != nil {
			return "MAP(" + typeText(*t.Key) + ", " + typeText(*t.Elem) + ")"
		}
	case Struct, Union:
		fields := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			fields[i] = quoteName(f.Name) + " " + typeText(f.Type)
		}
		return t.Name + "(" + strings.Join(fields, ", ") + ")"
	case Enum, Null:
		return Varchar
	}
	return t.Name
}
