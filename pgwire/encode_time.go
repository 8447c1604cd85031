package pgwire

import (
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

const (
	microsPerSecond = 1_000_000
	microsPerDay    = 86_400 * microsPerSecond

	// Of 2000-01-01, from which PostgreSQL counts, after 1970-01-01.
	epochDays   = 10957
	epochMicros = epochDays * microsPerDay
)

// DuckDB's infinities are the largest number and its negative.
const (
	infinityDays   = math.MaxInt32
	infinityMicros = math.MaxInt64
)

func textDate(dst []byte, a arrow.Array, i int) []byte {
	return appendDate(dst, int64(a.(*array.Date32).Value(i)))
}

// appendDate writes a day, counted from 1970-01-01.
func appendDate(dst []byte, days int64) []byte {
	switch days {
	case infinityDays:
		return append(dst, "infinity"...)
	case -infinityDays:
		return append(dst, "-infinity"...)
	}
	dst, bc := appendYMD(dst, days)
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst
}

// appendYMD writes a day without its era, which is BC if bc.
func appendYMD(dst []byte, days int64) (out []byte, bc bool) {
	y, m, d := civil(days)
	if y <= 0 {
		y, bc = 1-y, true
	}
	for pad := int64(1000); pad > y; pad /= 10 {
		dst = append(dst, '0')
	}
	dst = strconv.AppendInt(dst, y, 10)
	dst = append(dst, '-', '0'+byte(m/10), '0'+byte(m%10), '-', '0'+byte(d/10), '0'+byte(d%10))
	return dst, bc
}

// civil turns days since 1970-01-01 into a date of the Gregorian calendar, also
// before there was one. Years count from March, so that the leap day is the last;
// 400 years have 146 097 days.
func civil(days int64) (year, month, day int64) {
	days += 719_468 // since 0000-03-01
	era := floorDiv(days, 146_097)
	doe := days - era*146_097
	yoe := (doe - doe/1460 + doe/36_524 - doe/146_096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = doy - (153*mp+2)/5 + 1
	month = mp + 3
	if month > 12 {
		month -= 12
	}
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, day
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func textTime(dt *arrow.Time64Type) appendFunc {
	get := timeFunc(dt)
	return func(dst []byte, a arrow.Array, i int) []byte { return appendClock(dst, get(a, i)) }
}

// timeFunc returns the reader of times of day in microseconds.
func timeFunc(dt *arrow.Time64Type) func(a arrow.Array, i int) int64 {
	per := int64(1)
	if dt.Unit == arrow.Nanosecond {
		per = 1000
	}
	return func(a arrow.Array, i int) int64 { return int64(a.(*array.Time64).Value(i)) / per }
}

// appendClock writes microseconds since midnight as 15:04:05.999999, the fraction
// without zeros at its end. Hours may be any number.
func appendClock(dst []byte, micros int64) []byte {
	sec, frac := micros/microsPerSecond, micros%microsPerSecond
	dst = appendTwo(dst, sec/3600)
	dst = append(dst, ':')
	dst = appendTwo(dst, sec/60%60)
	dst = append(dst, ':')
	dst = appendTwo(dst, sec%60)
	return appendFraction(dst, frac)
}

// appendFraction writes .ffffff without zeros at its end, nothing for 0.
func appendFraction(dst []byte, micros int64) []byte {
	if micros == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := int64(100_000); micros > 0; unit /= 10 {
		dst = append(dst, '0'+byte(micros/unit))
		micros %= unit
	}
	return dst
}

func appendTwo(dst []byte, n int64) []byte {
	if n < 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, n, 10)
}

// timestampFunc returns the reader of timestamps in microseconds since 1970, with
// the infinities of whatever unit as those of microseconds.
func timestampFunc(dt *arrow.TimestampType) func(a arrow.Array, i int) int64 {
	get := func(a arrow.Array, i int) int64 { return int64(a.(*array.Timestamp).Value(i)) }
	switch dt.Unit {
	case arrow.Second:
		return scaleUp(get, microsPerSecond)
	case arrow.Millisecond:
		return scaleUp(get, 1000)
	case arrow.Nanosecond:
		return func(a arrow.Array, i int) int64 {
			v := get(a, i)
			if isInfinite(v) {
				return v
			}
			return floorDiv(v, 1000)
		}
	}
	return get
}

func isInfinite(v int64) bool { return v == infinityMicros || v == -infinityMicros }

// scaleUp multiplies, to infinity where the product does not fit.
func scaleUp(get func(arrow.Array, int) int64, by int64) func(arrow.Array, int) int64 {
	return func(a arrow.Array, i int) int64 {
		v := get(a, i)
		switch {
		case v > math.MaxInt64/by:
			return infinityMicros
		case v < -(math.MaxInt64 / by):
			return -infinityMicros
		}
		return v * by
	}
}

// isZoned reports whether a timestamp is an instant, to be shown in a zone.
func isZoned(t statement.Type) bool { return t.Name == statement.TimestampTZ }

func textTimestamp(t statement.Type, dt *arrow.TimestampType, st *style) appendFunc {
	get := timestampFunc(dt)
	if isZoned(t) {
		return func(dst []byte, a arrow.Array, i int) []byte { return appendInstant(dst, get(a, i), st.zone, ' ') }
	}
	return func(dst []byte, a arrow.Array, i int) []byte { return appendTimestamp(dst, get(a, i), ' ') }
}

// appendTimestamp writes microseconds since 1970 as date and time.
func appendTimestamp(dst []byte, micros int64, between byte) []byte {
	if isInfinite(micros) {
		return appendInfinity(dst, micros)
	}
	dst, bc := appendDateTime(dst, micros, between)
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst
}

// appendInstant writes microseconds since 1970 as date and time in a zone, and
// the zone's offset.
func appendInstant(dst []byte, micros int64, z *zone, between byte) []byte {
	if isInfinite(micros) {
		return appendInfinity(dst, micros)
	}
	offset := z.at(floorDiv(micros, microsPerSecond))
	dst, bc := appendDateTime(dst, micros+offset*microsPerSecond, between)
	dst = appendOffset(dst, offset)
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst
}

func appendInfinity(dst []byte, micros int64) []byte {
	if micros < 0 {
		dst = append(dst, '-')
	}
	return append(dst, "infinity"...)
}

func appendDateTime(dst []byte, micros int64, between byte) (out []byte, bc bool) {
	days := floorDiv(micros, microsPerDay)
	dst, bc = appendYMD(dst, days)
	dst = append(dst, between)
	return appendClock(dst, micros-days*microsPerDay), bc
}

// appendOffset writes +02, -03:30 or +00:19:32.
func appendOffset(dst []byte, sec int64) []byte {
	if sec < 0 {
		dst = append(dst, '-')
		sec = -sec
	} else {
		dst = append(dst, '+')
	}
	dst = appendTwo(dst, sec/3600)
	if sec%3600 != 0 {
		dst = append(dst, ':')
		dst = appendTwo(dst, sec/60%60)
	}
	if sec%60 != 0 {
		dst = append(dst, ':')
		dst = appendTwo(dst, sec%60)
	}
	return dst
}
