package warehouse

import (
	"fmt"
	"time"
)

// Micros is an instant in microseconds since the Unix epoch: the resolution of
// stored times. A profile's nanoseconds are floored.
type Micros int64

// Bounds of profile times, chosen so that nanoseconds fit an int64 with room
// for arithmetic: 1971-01-01 and 2262-01-01.
var (
	MinTime = MicrosOf(time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC))
	MaxTime = MicrosOf(time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)) - 1
)

// MicrosOf returns t, floored to a microsecond.
func MicrosOf(t time.Time) Micros { return Micros(t.UnixMicro()) }

// MicrosOfNanos floors nanoseconds since the epoch to a microsecond.
func MicrosOfNanos(ns int64) Micros { return Micros(floorDiv(ns, 1000)) }

// Time returns m in UTC.
func (m Micros) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

// String returns m in RFC 3339 form with microseconds.
func (m Micros) String() string { return m.Time().Format("2006-01-02T15:04:05.000000Z") }

// Hour returns the UTC hour m lies in.
func (m Micros) Hour() Hour { return Hour(floorDiv(int64(m), microsPerHour)) }

const microsPerHour = 3_600_000_000

// Hour is a number of whole UTC hours since the Unix epoch: floor(µs / 3.6e9).
type Hour int64

// Start returns the first microsecond of the hour.
func (h Hour) Start() Micros { return Micros(int64(h) * microsPerHour) }

// End returns the first microsecond after the hour.
func (h Hour) End() Micros { return Micros(int64(h+1) * microsPerHour) }

// String returns h as 2006-01-02T15.
func (h Hour) String() string { return h.Start().Time().Format("2006-01-02T15") }

// TimeRange is a closed range of instants, [From, To]: the bounds of the
// profiling API. A range with From > To is empty.
type TimeRange struct{ From, To Micros }

// MillisRange returns the range of the profiling API's milliseconds: all
// instants t with from*1000 <= t <= to*1000, saturated at the int64 bounds.
func MillisRange(fromMs, toMs int64) TimeRange {
	return TimeRange{From: saturatedMicros(fromMs), To: saturatedMicros(toMs)}
}

func saturatedMicros(ms int64) Micros {
	const limit = 1<<63 - 1
	switch {
	case ms > limit/1000:
		return limit
	case ms < -limit/1000:
		return -limit
	}
	return Micros(ms * 1000)
}

// Contains reports whether t lies in r.
func (r TimeRange) Contains(t Micros) bool { return r.From <= t && t <= r.To }

// Overlaps reports whether r and o share an instant.
func (r TimeRange) Overlaps(o TimeRange) bool {
	return !r.IsEmpty() && !o.IsEmpty() && r.From <= o.To && o.From <= r.To
}

// Covers reports whether all of o lies in r.
func (r TimeRange) Covers(o TimeRange) bool { return r.From <= o.From && o.To <= r.To }

// IsEmpty reports whether r holds no instant.
func (r TimeRange) IsEmpty() bool { return r.From > r.To }

// Union returns the smallest range that holds r and o.
func (r TimeRange) Union(o TimeRange) TimeRange {
	switch {
	case r.IsEmpty():
		return o
	case o.IsEmpty():
		return r
	}
	return TimeRange{From: min(r.From, o.From), To: max(r.To, o.To)}
}

// String returns "[from, to]".
func (r TimeRange) String() string { return fmt.Sprintf("[%s, %s]", r.From, r.To) }

// EmptyRange is a range without instants, the zero of Union.
var EmptyRange = TimeRange{From: 1, To: 0}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
