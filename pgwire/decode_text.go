package pgwire

import (
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/stackhouse-db/stackhouse/sql/lex"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// decodeText decodes the text format of a type. A type that is not known here
// stays text, for DuckDB to cast.
func (d *decoder) decodeText(oid uint32, b []byte) (any, error) {
	s := string(b)
	if err := checkText(s); err != nil {
		return nil, err
	}
	switch oid {
	case oidBool:
		return boolFromText(s)
	case oidInt2:
		return intFromText(s, "smallint", math.MinInt16, math.MaxInt16)
	case oidInt4:
		return intFromText(s, "integer", math.MinInt32, math.MaxInt32)
	case oidInt8:
		return intFromText(s, "bigint", math.MinInt64, math.MaxInt64)
	case oidOID, oidXID:
		return intFromText(s, "oid", 0, math.MaxUint32)
	case oidFloat4:
		return floatFromText(s, "real", 32)
	case oidFloat8:
		return floatFromText(s, "double precision", 64)
	case oidNumeric:
		return numericFromText(s)
	case oidBytea:
		return byteaFromText(s)
	case oidUUID:
		return uuidFromText(s)
	}
	if isTemporal(oid) {
		return d.temporalFromText(oid, s)
	}
	if elem, ok := elements[oid]; ok {
		return d.arrayFromText(elem, s)
	}
	return s, nil
}

// badText says that a text is no value of a type.
func badText(typ, s string) *pgError {
	return errorf(stateInvalidText, "invalid input syntax for type %s: %q", typ, clip(s))
}

func boolFromText(s string) (any, error) {
	v, err := boolean(strings.TrimSpace(s))
	if err != nil {
		return nil, badText("boolean", s)
	}
	return v == "on", nil
}

func intFromText(s, typ string, least, most int64) (any, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	switch {
	case err == nil && least <= n && n <= most:
		return n, nil
	case err == nil, isRange(err):
		return nil, errorf(stateNumericOutOfRange, "value %q is out of range for type %s", clip(s), typ)
	}
	return nil, badText(typ, s)
}

// isRange reports whether strconv understood a number that does not fit.
func isRange(err error) bool { return errors.Is(err, strconv.ErrRange) }

func floatFromText(s, typ string, bits int) (any, error) {
	text := strings.TrimSpace(s)
	if strings.ContainsAny(text, "xX_") { // Go's own forms
		return nil, badText(typ, s)
	}
	f, err := strconv.ParseFloat(text, bits)
	switch {
	case err == nil:
		return f, nil
	case isRange(err):
		return nil, errorf(stateNumericOutOfRange, "%q is out of range for type %s", clip(s), typ)
	}
	return nil, badText(typ, s)
}

// byteaFromText reads \x…, or the older format with octal escapes.
func byteaFromText(s string) (any, error) {
	if digits, ok := strings.CutPrefix(s, `\x`); ok {
		b, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		if err != nil {
			return nil, badText("bytea", s)
		}
		return b, nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			out = append(out, s[i])
		case i+1 < len(s) && s[i+1] == '\\':
			out = append(out, '\\')
			i++
		default:
			if i+4 > len(s) {
				return nil, badText("bytea", s)
			}
			v, err := strconv.ParseUint(s[i+1:i+4], 8, 8)
			if err != nil {
				return nil, badText("bytea", s)
			}
			out = append(out, byte(v))
			i += 3
		}
	}
	return out, nil
}

func uuidFromText(s string) (any, error) {
	id, ok := parseUUID(strings.TrimSpace(s))
	if !ok {
		return nil, badText("uuid", s)
	}
	return id, nil
}

// parseUUID reads 32 hexadecimal digits with hyphens after any group of four, in
// braces or not.
func parseUUID(s string) (id [16]byte, ok bool) {
	if len(s) > 1 && s[0] == '{' && s[len(s)-1] == '}' {
		s = s[1 : len(s)-1]
	}
	n := 0 // digits read
	for i := 0; i < len(s); i++ {
		if s[i] == '-' && n > 0 && n < 32 && n%4 == 0 && s[i-1] != '-' {
			continue
		}
		v := hexDigit(s[i])
		if v < 0 || n == 32 {
			return id, false
		}
		id[n/2] = id[n/2]<<4 | byte(v)
		n++
	}
	return id, n == 32
}

func hexDigit(c byte) int {
	switch {
	case lex.IsDigit(c):
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// arrayFromText reads {1,NULL,"a b"}.
func (d *decoder) arrayFromText(elem uint32, s string) (any, error) {
	in := strings.TrimSpace(s)
	if strings.HasPrefix(in, "[") { // [1:2]={…}: bounds that DuckDB has not
		_, in, _ = strings.Cut(in, "=")
	}
	if len(in) < 2 || in[0] != '{' || in[len(in)-1] != '}' {
		return nil, malformedArray(s)
	}
	out := []any{}
	for rest := strings.TrimSpace(in[1 : len(in)-1]); rest != ""; {
		if rest[0] == '{' {
			return nil, errorf(stateFeatureNotSupported, "arrays of several dimensions are not supported")
		}
		text, null, after, ok := cutArrayElement(rest)
		if !ok {
			return nil, malformedArray(s)
		}
		rest = after
		if null {
			out = append(out, nil)
			continue
		}
		v, err := d.decodeText(elem, []byte(text))
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func malformedArray(s string) *pgError {
	return errorf(stateInvalidText, "malformed array literal: %q", clip(s))
}

// cutArrayElement takes an element and the comma after it.
func cutArrayElement(s string) (text string, null bool, rest string, ok bool) {
	var b strings.Builder
	quoted, within := false, false
	kept := 0 // bytes of b that are not white space at its end
	i := 0
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\':
			if i++; i == len(s) {
				return "", false, "", false
			}
			b.WriteByte(s[i])
			kept = b.Len()
			continue
		case c == '"':
			if !within && (quoted || kept > 0) {
				return "", false, "", false // "a""b" or a"b"
			}
			within, quoted = !within, true
			if !within {
				kept = b.Len()
			}
			continue
		case within:
			b.WriteByte(c)
			continue
		case c == ',':
			text, null, ok = element(b.String()[:kept], quoted)
			rest = strings.TrimLeft(s[i+1:], " \t\n\r\v\f")
			return text, null, rest, ok && rest != ""
		case c == '{' || c == '}':
			return "", false, "", false
		case lex.IsSpace(c):
			if kept > 0 && !quoted {
				b.WriteByte(c)
			}
			continue
		case quoted:
			return "", false, "", false // "a"b
		}
		b.WriteByte(c)
		kept = b.Len()
	}
	if within {
		return "", false, "", false
	}
	text, null, ok = element(b.String()[:kept], quoted)
	return text, null, "", ok
}

// element tells NULL from text; nothing at all is neither.
func element(text string, quoted bool) (string, bool, bool) {
	if quoted {
		return text, false, true
	}
	return text, strings.EqualFold(text, "null"), text != ""
}

// Numbers.

// maxNumericDigits is PostgreSQL's limit before the point and after it, roughly;
// DuckDB's is 38 in all, which it says itself.
const maxNumericDigits = 1000

// numericFromText reads digits, point and exponent.
func numericFromText(s string) (any, error) {
	text := strings.TrimSpace(s)
	mantissa, exponent, hasExp := strings.Cut(strings.ToLower(text), "e")
	exp := 0
	if hasExp {
		var err error
		if exp, err = strconv.Atoi(exponent); err != nil {
			return nil, badText("numeric", s)
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	if strings.Trim(digits, "+-") == "" || len(digits) > maxNumericDigits || max(exp, -exp) > maxNumericDigits {
		return notFinite(text, s)
	}
	n, ok := bigFromText(digits)
	if !ok || strings.ContainsAny(fraction, "+-") {
		return notFinite(text, s)
	}
	scale := len(fraction) - exp
	if scale < 0 {
		n.Mul(n, pow10(-scale))
		scale = 0
	}
	return statement.DecimalValue{Unscaled: n, Scale: scale}, nil
}

// notFinite explains why a text is no number that DuckDB could hold.
func notFinite(text, s string) (any, error) {
	switch strings.ToLower(strings.TrimLeft(text, "+-")) {
	case "nan", "inf", "infinity":
		return nil, errorf(stateNumericOutOfRange, "numeric %s is not supported", clip(text))
	}
	if len(text) > maxNumericDigits || strings.ContainsAny(text, "eE") {
		return nil, errorf(stateNumericOutOfRange, "value overflows numeric format")
	}
	return nil, badText("numeric", s)
}
