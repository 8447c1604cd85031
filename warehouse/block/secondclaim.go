package block

import (
	"fmt"
	"strconv"

	"github.com/parquet-go/parquet-go"
)

// claim is what metadata states about the values of a chunk or of a page: the
// smallest, the largest and the number of NULLs. Queries skip what a claim
// excludes, so that a wrong one loses rows.
type claim struct {
	stated   bool // whether there are min and max
	min, max parquet.Value
	nulls    int64

	// What was seen of the values.
	low, high bool // one is equal to min, to max
	long      bool // one is too long to be stated
	n, none   int64
}

// claimError says that a claim is wrong.
type claimError struct{ error }

func claimErrorf(format string, args ...any) error { return claimError{fmt.Errorf(format, args...)} }

// see compares a value with the claim.
func (c *claim) see(v parquet.Value, compare func(a, b parquet.Value) int) error {
	if v.IsNull() {
		c.none++
		return nil
	}
	c.n++
	if !c.stated {
		c.long = c.long || v.Kind() == parquet.ByteArray && len(v.ByteArray()) > maxBoundBytes
		return nil
	}
	low, high := compare(v, c.min), compare(v, c.max)
	if low < 0 || high > 0 {
		return claimErrorf("value %s is outside the stated %s to %s", shown(v), shown(c.min), shown(c.max))
	}
	c.low, c.high = c.low || low == 0, c.high || high == 0
	return nil
}

// end checks the claim after the last value. Nested columns need not state a
// smallest and largest value.
func (c *claim) end(nested bool) error {
	switch {
	case c.none != c.nulls:
		return claimErrorf("%d NULLs, %d stated", c.none, c.nulls)
	case c.stated && (!c.low || !c.high):
		return claimErrorf("stated %s to %s are not the smallest and largest value", shown(c.min), shown(c.max))
	case !c.stated && !nested && c.n > 0 && !c.long:
		return claimErrorf("no smallest and largest value is stated")
	}
	return nil
}

// shown returns a value for people, cut if it is long.
func shown(v parquet.Value) string {
	switch v.Kind() {
	case parquet.ByteArray:
		return shownText(string(v.ByteArray()))
	case parquet.FixedLenByteArray:
		return fmt.Sprintf("%x", v.ByteArray())
	}
	return v.String()
}

// shown returns the i-th value, of a column of the kind, for people.
func (v *columnValues) shown(k kind, i int) string {
	switch k {
	case kindUUID, kindDecimal:
		return fmt.Sprintf("%x", v.fixed[16*i:16*i+16])
	case kindBool:
		return strconv.FormatBool(v.bits[i] == 1)
	case kindString:
		return shownText(v.text(i))
	}
	return strconv.FormatInt(v.ints[i], 10)
}

func shownText(text string) string {
	const most = 64
	if len(text) > most {
		return fmt.Sprintf("%q… of %d bytes", text[:most], len(text))
	}
	return strconv.Quote(text)
}
