package pgwire

import (
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// intervalAt reads an interval. DuckDB's microseconds come as nanoseconds.
func intervalAt(a arrow.Array, i int) statement.IntervalValue {
	v := a.(*array.MonthDayNanoInterval).Value(i)
	return statement.IntervalValue{Months: v.Months, Days: v.Days, Micros: v.Nanoseconds / 1000}
}

func textInterval(st *style) appendFunc {
	encode := appendInterval
	if st.isoInterval {
		encode = appendISOInterval
	}
	return func(dst []byte, a arrow.Array, i int) []byte { return encode(dst, intervalAt(a, i)) }
}

// appendInterval writes as IntervalStyle postgres: 1 year 2 mons -3 days
// +04:05:06.7. A part after a negative one shows its plus.
func appendInterval(dst []byte, v statement.IntervalValue) []byte {
	start := len(dst)
	afterNegative := false
	part := func(n int64, unit string) {
		if n == 0 {
			return
		}
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		if afterNegative && n > 0 {
			dst = append(dst, '+')
		}
		dst = strconv.AppendInt(dst, n, 10)
		dst = append(dst, ' ')
		dst = append(dst, unit...)
		if n != 1 {
			dst = append(dst, 's')
		}
		afterNegative = n < 0
	}
	part(int64(v.Months/12), "year")
	part(int64(v.Months%12), "mon")
	part(int64(v.Days), "day")
	if v.Micros == 0 && len(dst) > start {
		return dst
	}
	if len(dst) > start {
		dst = append(dst, ' ')
	}
	switch {
	case v.Micros < 0:
		dst = append(dst, '-')
	case afterNegative:
		dst = append(dst, '+')
	}
	return appendClock(dst, magnitude(v.Micros))
}

// magnitude is the absolute value, which the most negative number has not.
func magnitude(n int64) int64 {
	if n == math.MinInt64 {
		return math.MaxInt64
	}
	return max(n, -n)
}

// appendISOInterval writes as IntervalStyle iso_8601: P1Y2M-3DT4H5M6.7S.
func appendISOInterval(dst []byte, v statement.IntervalValue) []byte {
	if v == (statement.IntervalValue{}) {
		return append(dst, "PT0S"...)
	}
	part := func(n int64, unit byte) {
		if n != 0 {
			dst = append(strconv.AppendInt(dst, n, 10), unit)
		}
	}
	dst = append(dst, 'P')
	part(int64(v.Months/12), 'Y')
	part(int64(v.Months%12), 'M')
	part(int64(v.Days), 'D')
	if v.Micros == 0 {
		return dst
	}
	dst = append(dst, 'T')
	sec := v.Micros / microsPerSecond
	part(sec/3600, 'H')
	part(sec/60%60, 'M')
	if rest := v.Micros % (60 * microsPerSecond); rest != 0 {
		if rest < 0 {
			dst = append(dst, '-')
		}
		dst = strconv.AppendInt(dst, magnitude(rest)/microsPerSecond, 10)
		dst = append(appendFraction(dst, magnitude(rest)%microsPerSecond), 'S')
	}
	return dst
}
