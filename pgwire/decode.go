package pgwire

import (
	"encoding/binary"
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// decoder turns parameters into the Go values that package statement documents.
type decoder struct {
	loc *time.Location // of instants without an offset
	now time.Time      // for now, today and the like
	dmy bool           // 1/2/2026 is in February
}

func (s *session) decoder() *decoder {
	s.begin()
	return &decoder{
		loc: s.srv.location(s.params.value("timezone")),
		now: s.txn.now,
		dmy: s.params.value("datestyle") == "ISO, DMY",
	}
}

// decodeArgs decodes Bind's parameters.
func (s *session) decodeArgs(m *pgproto3.Bind, params []param) ([]any, error) {
	if len(m.Parameters) != len(params) {
		return nil, errorf(stateProtocolViolation, "bind message supplies %d parameters, but prepared statement %q requires %d",
			len(m.Parameters), clip(m.PreparedStatement), len(params))
	}
	if n := len(m.ParameterFormatCodes); n > 1 && n != len(params) {
		return nil, errorf(stateProtocolViolation, "bind message has %d parameter formats but %d parameters", n, len(params))
	}
	dec := s.decoder()
	args := make([]any, len(params))
	for i, data := range m.Parameters {
		if data == nil {
			continue
		}
		v, err := dec.decode(params[i], formatOf(m.ParameterFormatCodes, i), data)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	return args, nil
}

// formatOf returns the format of value i: none is text, one is for all.
func formatOf(codes []int16, i int) int16 {
	switch len(codes) {
	case 0:
		return formatText
	case 1:
		return codes[0]
	}
	return codes[i]
}

// decode decodes one parameter, not NULL, that the client sent as p.oid for a
// parameter of type p.typ.
//
// Ownership: the value shares no memory with data.
func (d *decoder) decode(p param, format int16, data []byte) (any, error) {
	var v any
	var err error
	switch format {
	case formatText:
		v, err = d.decodeText(p.oid, data)
	case formatBinary:
		v, err = d.decodeBinary(p.oid, data)
	default:
		return nil, errorf(stateInvalidParameter, "unsupported format code: %d", format)
	}
	if err != nil {
		return nil, err
	}
	return fit(v, p.typ)
}

// fit turns a number into the Go type that DuckDB's type asks for, where the
// client declared another one.
func fit(v any, t statement.Type) (any, error) {
	d, ok := v.(statement.DecimalValue)
	if !ok {
		return v, nil
	}
	switch t.Name {
	case statement.UBigInt:
		if n, ok := wholeOf(d); ok && n.IsUint64() {
			return n.Uint64(), nil
		}
	case statement.HugeInt, statement.UHugeInt:
		if n, ok := wholeOf(d); ok && n.BitLen() <= 128 {
			return n, nil
		}
	default:
		return v, nil
	}
	return nil, errorf(stateNumericOutOfRange, "value out of range for type %s", t.Name)
}

// wholeOf returns the number if it is whole.
func wholeOf(d statement.DecimalValue) (*big.Int, bool) {
	n, rest := new(big.Int).QuoRem(d.Unscaled, pow10(d.Scale), new(big.Int))
	return n, rest.Sign() == 0
}

func pow10(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

// binarySizes are the lengths of binary values that have one.
var binarySizes = map[uint32]int{
	oidBool: 1, oidInt2: 2, oidInt4: 4, oidInt8: 8, oidOID: 4, oidXID: 4, oidFloat4: 4, oidFloat8: 8,
	oidDate: 4, oidTime: 8, oidTimestamp: 8, oidTimestampTZ: 8, oidInterval: 16, oidUUID: 16,
}

// decodeBinary decodes the binary format of a type.
func (d *decoder) decodeBinary(oid uint32, b []byte) (any, error) {
	if n, ok := binarySizes[oid]; ok && len(b) != n {
		return nil, errorf(stateInvalidBinary, "incorrect binary data format: %d bytes for type oid %d, expected %d", len(b), oid, n)
	}
	switch oid {
	case oidBool:
		return b[0] != 0, nil
	case oidInt2:
		return int64(int16(binary.BigEndian.Uint16(b))), nil
	case oidInt4:
		return int64(int32(binary.BigEndian.Uint32(b))), nil
	case oidOID, oidXID:
		return int64(binary.BigEndian.Uint32(b)), nil
	case oidInt8:
		return int64(binary.BigEndian.Uint64(b)), nil
	case oidFloat4:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b))), nil
	case oidFloat8:
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	case oidNumeric:
		return numericFromBinary(b)
	case oidBytea:
		return slices.Clone(b), nil
	case oidUUID:
		return [16]byte(b), nil
	}
	if isTemporal(oid) {
		return temporalFromBinary(oid, b), nil
	}
	if elem, ok := elements[oid]; ok {
		return d.arrayFromBinary(elem, b)
	}
	return textFromBinary(oid, b)
}

// textFromBinary decodes the types whose binary format is their text.
func textFromBinary(oid uint32, b []byte) (any, error) {
	switch oid {
	case oidJSONB:
		if len(b) == 0 || b[0] != 1 {
			return nil, errorf(stateInvalidBinary, "unsupported jsonb version number")
		}
		b = b[1:]
	case oidText, oidVarchar, oidBPChar, oidName, oidChar, oidJSON, oidXML, oidUnknown:
	default:
		return nil, errorf(stateFeatureNotSupported, "no binary input for parameters of type oid %d", oid)
	}
	return validText(b)
}

// validText returns UTF-8 without NUL, which no text may have.
func validText(b []byte) (any, error) {
	s := string(b)
	if err := checkText(s); err != nil {
		return nil, err
	}
	return s, nil
}

func isTemporal(oid uint32) bool {
	switch oid {
	case oidDate, oidTime, oidTimestamp, oidTimestampTZ, oidInterval:
		return true
	}
	return false
}

// temporalFromBinary decodes dates and times, whose length was checked.
func temporalFromBinary(oid uint32, b []byte) any {
	switch oid {
	case oidDate:
		return dateFromBinary(int32(binary.BigEndian.Uint32(b)))
	case oidTime:
		return time.Duration(clampDay(int64(binary.BigEndian.Uint64(b)))) * time.Microsecond
	case oidInterval:
		return statement.IntervalValue{
			Micros: int64(binary.BigEndian.Uint64(b)),
			Days:   int32(binary.BigEndian.Uint32(b[8:])),
			Months: int32(binary.BigEndian.Uint32(b[12:])),
		}
	}
	return timestampFromBinary(int64(binary.BigEndian.Uint64(b)))
}

// clampDay keeps a time of day between 00:00 and 24:00.
func clampDay(micros int64) int64 { return min(max(micros, 0), microsPerDay) }

func dateFromBinary(days int32) any {
	switch days {
	case math.MaxInt32:
		return statement.Infinity(1)
	case math.MinInt32:
		return statement.Infinity(-1)
	}
	return time.Unix((int64(days)+epochDays)*86_400, 0).UTC()
}

func timestampFromBinary(micros int64) any {
	switch micros {
	case math.MaxInt64:
		return statement.Infinity(1)
	case math.MinInt64:
		return statement.Infinity(-1)
	}
	sec := floorDiv(micros, microsPerSecond)
	return time.Unix(sec+epochDays*86_400, (micros-sec*microsPerSecond)*1000).UTC()
}

// arrayFromBinary decodes an array of at most one dimension: see binaryArray.
func (d *decoder) arrayFromBinary(elem uint32, b []byte) (any, error) {
	bad := errorf(stateInvalidBinary, "invalid binary array")
	if len(b) < 12 {
		return nil, bad
	}
	switch dims := binary.BigEndian.Uint32(b); {
	case dims == 0:
		return []any{}, nil
	case dims > 1:
		return nil, errorf(stateFeatureNotSupported, "arrays of several dimensions are not supported")
	case len(b) < 20 || binary.BigEndian.Uint32(b[8:]) != elem:
		return nil, bad
	}
	n := int(binary.BigEndian.Uint32(b[12:]))
	b = b[20:]
	if n > len(b)/4 { // each element has its length: this bounds the allocation
		return nil, bad
	}
	out := make([]any, n)
	for i := range out {
		data, rest, ok := cutElement(b)
		if !ok {
			return nil, bad
		}
		if b = rest; data == nil {
			continue
		}
		v, err := d.decodeBinary(elem, data)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	if len(b) > 0 {
		return nil, bad
	}
	return out, nil
}

// cutElement takes a value with its length; NULL is nil.
func cutElement(b []byte) (data, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := int32(binary.BigEndian.Uint32(b))
	b = b[4:]
	switch {
	case n == -1:
		return nil, b, true
	case n < 0 || int(n) > len(b):
		return nil, nil, false
	}
	return b[:n:n], b[n:], true
}
