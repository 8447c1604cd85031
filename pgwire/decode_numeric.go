package pgwire

import (
	"encoding/binary"
	"math/big"
	"strings"

	"github.com/stackhouse-db/stackhouse/sql/lex"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// bigFromText reads decimal digits with a sign, and nothing else.
func bigFromText(s string) (*big.Int, bool) {
	for i := range len(s) {
		if !lex.IsDigit(s[i]) && (i > 0 || s[i] != '-' && s[i] != '+') {
			return nil, false
		}
	}
	return new(big.Int).SetString(strings.TrimPrefix(s, "+"), 10)
}

// The signs of a binary numeric.
const (
	numericPositive = 0x0000
	numericNegative = 0x4000
)

// numericFromBinary reads what appendNumericBinary draws.
func numericFromBinary(b []byte) (any, error) {
	bad := errorf(stateInvalidBinary, "invalid binary numeric")
	if len(b) < 8 {
		return nil, bad
	}
	count := int(binary.BigEndian.Uint16(b))
	weight := int(int16(binary.BigEndian.Uint16(b[2:])))
	sign := binary.BigEndian.Uint16(b[4:])
	scale := int(binary.BigEndian.Uint16(b[6:]))
	switch {
	case sign != numericPositive && sign != numericNegative:
		return nil, errorf(stateNumericOutOfRange, "numeric NaN and infinity are not supported")
	case len(b) != 8+2*count:
		return nil, bad
	case scale > maxNumericDigits || max(weight, -weight) > maxNumericDigits/4 || count > maxNumericDigits/2:
		return nil, errorf(stateNumericOutOfRange, "value overflows numeric format")
	}
	n := new(big.Int)
	base := big.NewInt(10_000)
	for i := range count {
		digit := binary.BigEndian.Uint16(b[8+2*i:])
		if digit >= 10_000 {
			return nil, bad
		}
		n.Mul(n, base).Add(n, big.NewInt(int64(digit)))
	}
	// n counts 10000^(weight-count+1); turn that into 10^-scale, cutting digits that
	// are not shown.
	if shift := 4*(weight-count+1) + scale; shift >= 0 {
		n.Mul(n, pow10(shift))
	} else {
		n.Quo(n, pow10(-shift))
	}
	if sign == numericNegative {
		n.Neg(n)
	}
	return statement.DecimalValue{Unscaled: n, Scale: scale}, nil
}
