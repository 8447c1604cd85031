package block

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Dicts are the services and profile types that runs refer to by index. They
// may hold more than the runs use.
type Dicts struct {
	Services []string
	Types    []string
}

// Run is what consecutive samples share: those of one profile and series.
type Run struct {
	Service int32 // index in Dicts.Services
	Type    int32 // index in Dicts.Types
	Series  warehouse.SeriesID
	Time    warehouse.Micros
	Profile warehouse.ProfileID
	N       int // samples
}

// SamplesRecord returns the samples of the runs, in their order. The stacks and
// values are those of all runs one after another; spans and traces are as long,
// or nil when no sample has any; a zero one becomes NULL.
//
// The caller has sorted: service, type, series, time, profile, stacktrace.
//
// Ownership: the caller releases the record; stacks and values back it without
// a copy and must not change until then.
func SamplesRecord(dict Dicts, runs []Run, stacks []warehouse.StacktraceID, values []int64, spans []warehouse.SpanID, traces []warehouse.TraceID) arrow.RecordBatch {
	n := len(stacks)
	checkLength("values", len(values), n)
	times, series := make([]warehouse.Micros, n), make([]warehouse.SeriesID, n)
	services, types := make([]int32, n), make([]int32, n)
	profiles := make([]warehouse.ProfileID, n)
	at := 0
	for i := range runs {
		r := &runs[i]
		end := at + r.N
		fill(times[at:end], r.Time)
		fill(services[at:end], r.Service)
		fill(types[at:end], r.Type)
		fill(series[at:end], r.Series)
		fill(profiles[at:end], r.Profile)
		at = end
	}
	checkLength("runs", at, n)
	return record(warehouse.TableSamples, n,
		wrap(arrow.FixedWidthTypes.Timestamp_us, times),
		dictionaryArray(services, dict.Services),
		dictionaryArray(types, dict.Types),
		wrap(arrow.PrimitiveTypes.Int64, series),
		wrap(arrow.PrimitiveTypes.Int64, stacks),
		wrap(kindUUID.arrowType(false), profiles),
		spanArray(spans, n),
		traceArray(traces, n),
		nullArray(arrow.PrimitiveTypes.Int64, n),
		wrap(arrow.PrimitiveTypes.Int64, values),
	)
}

// ProfileRow is one row of the profiles table: one series of one received
// profile.
type ProfileRow struct {
	Time       warehouse.Micros
	Service    string
	Type       string // text form of the profile type
	Series     warehouse.SeriesID
	ID         warehouse.ProfileID
	DurationNs int64
	Period     int64
	Value      int64 // sum of the samples
	Samples    int32
	Received   warehouse.Micros
	Flags      int32 // warehouse.ProfileFlags
}

// ProfilesRecord returns the rows in their order, which is sorted: service,
// type, series, time, profile.
//
// Ownership: the caller releases the record; it does not refer to rows.
func ProfilesRecord(rows []ProfileRow) arrow.RecordBatch {
	n := len(rows)
	var services, types interner
	times, received := make([]warehouse.Micros, n), make([]warehouse.Micros, n)
	series, ids := make([]warehouse.SeriesID, n), make([]warehouse.ProfileID, n)
	durations, periods, values := make([]int64, n), make([]int64, n), make([]int64, n)
	samples, flags := make([]int32, n), make([]int32, n)
	services.grow(n)
	types.grow(n)
	for i := range rows {
		r := &rows[i]
		services.add(r.Service)
		types.add(r.Type)
		times[i], received[i] = r.Time, r.Received
		series[i], ids[i] = r.Series, r.ID
		durations[i], periods[i], values[i] = r.DurationNs, r.Period, r.Value
		samples[i], flags[i] = r.Samples, r.Flags
	}
	return record(warehouse.TableProfiles, n,
		wrap(arrow.FixedWidthTypes.Timestamp_us, times),
		services.array(),
		types.array(),
		wrap(arrow.PrimitiveTypes.Int64, series),
		wrap(kindUUID.arrowType(false), ids),
		wrap(arrow.PrimitiveTypes.Int64, durations),
		wrap(arrow.PrimitiveTypes.Int64, periods),
		wrap(arrow.PrimitiveTypes.Int64, values),
		wrap(arrow.PrimitiveTypes.Int32, samples),
		wrap(arrow.FixedWidthTypes.Timestamp_us, received),
		wrap(arrow.PrimitiveTypes.Int32, flags),
	)
}

// SeriesRecord returns the definitions in their order, which is sorted by id.
//
// Ownership: the caller releases the record; it does not refer to series.
func SeriesRecord(series []warehouse.Series) arrow.RecordBatch {
	n := len(series)
	var services, types, keys, values interner
	ids, offsets := make([]warehouse.SeriesID, n), make([]int32, 1, n+1)
	services.grow(n)
	types.grow(n)
	for i := range series {
		s := &series[i]
		ids[i] = s.ID
		services.add(s.Service())
		types.add(s.Type.String())
		for _, l := range s.Labels {
			keys.add(l.Name)
			values.add(l.Value)
		}
		offsets = append(offsets, int32(len(keys.indices)))
	}
	return record(warehouse.TableSeries, n,
		wrap(arrow.PrimitiveTypes.Int64, ids),
		services.array(),
		types.array(),
		mapArray(tables[warehouse.TableSeries].arrow.Field(3).Type, offsets, keys.array(), values.array()),
	)
}

// StacktracesRecord returns the definitions in their order, which is sorted by
// id.
//
// Ownership: the caller releases the record; it does not refer to stacks.
func StacktracesRecord(stacks []warehouse.Stacktrace) arrow.RecordBatch {
	n, frames := len(stacks), 0
	for i := range stacks {
		frames += len(stacks[i].Frames)
	}
	ids, offsets := make([]warehouse.StacktraceID, n), make([]int32, 1, n+1)
	lines, starts, addresses := make([]int64, 0, frames), make([]int64, 0, frames), make([]int64, 0, frames)
	inlined := make([]byte, (frames+7)/8)
	var functions, systemNames, filenames, mappings, buildIDs interner
	for _, in := range []*interner{&functions, &systemNames, &filenames, &mappings, &buildIDs} {
		in.grow(frames)
	}
	for i := range stacks {
		ids[i] = stacks[i].ID
		for j := range stacks[i].Frames {
			f := &stacks[i].Frames[j]
			functions.add(f.Function)
			systemNames.add(f.SystemName)
			filenames.add(f.Filename)
			mappings.add(f.Mapping)
			buildIDs.add(f.BuildID)
			if f.Inlined {
				inlined[len(lines)/8] |= 1 << (len(lines) % 8)
			}
			lines = append(lines, f.Line)
			starts = append(starts, f.StartLine)
			addresses = append(addresses, int64(f.Address))
		}
		offsets = append(offsets, int32(len(lines)))
	}
	list := func(elements arrow.Array) arrow.Array { return listArray(offsets, elements) }
	return record(warehouse.TableStacktraces, n,
		wrap(arrow.PrimitiveTypes.Int64, ids),
		list(functions.array()),
		list(systemNames.array()),
		list(filenames.array()),
		list(wrap(arrow.PrimitiveTypes.Int64, lines)),
		list(wrap(arrow.PrimitiveTypes.Int64, starts)),
		list(mappings.array()),
		list(buildIDs.array()),
		list(wrap(arrow.PrimitiveTypes.Int64, addresses)),
		list(newArray(arrow.FixedWidthTypes.Boolean, frames, 0, nil, inlined)),
	)
}

// interner makes a dictionary column: each distinct string once.
type interner struct {
	indices []int32
	strings []string
	known   map[string]int32
}

func (in *interner) grow(n int) { in.indices = make([]int32, 0, n) }

func (in *interner) add(s string) {
	if n := len(in.indices); n > 0 {
		if last := in.indices[n-1]; in.strings[last] == s { // neighbours are often equal
			in.indices = append(in.indices, last)
			return
		}
	}
	index, ok := in.known[s]
	if !ok {
		if in.known == nil {
			in.known = make(map[string]int32)
		}
		index = int32(len(in.strings))
		in.strings = append(in.strings, s)
		in.known[s] = index
	}
	in.indices = append(in.indices, index)
}

func (in *interner) array() arrow.Array { return dictionaryArray(in.indices, in.strings) }

// record takes over the columns.
func record(t warehouse.Table, rows int, columns ...arrow.Array) arrow.RecordBatch {
	rec := array.NewRecordBatch(tables[t].arrow, columns, int64(rows))
	for _, c := range columns {
		c.Release()
	}
	return rec
}

func dictionaryArray(indices []int32, values []string) arrow.Array {
	index, dict := wrap(arrow.PrimitiveTypes.Int32, indices), stringArray(values)
	defer index.Release()
	defer dict.Release()
	return array.NewDictionaryArray(dictionaryType, index, dict)
}

func stringArray(values []string) arrow.Array {
	size := 0
	for _, v := range values {
		size += len(v)
	}
	if size > math.MaxInt32 {
		panic(warehouse.Bug("%d bytes of strings in one record, want less than 2 GiB", size))
	}
	offsets, bytes := make([]int32, 1, len(values)+1), make([]byte, 0, size)
	for _, v := range values {
		bytes = append(bytes, v...)
		offsets = append(offsets, int32(len(bytes)))
	}
	return newArray(arrow.BinaryTypes.String, len(values), 0, nil, bytesOf(offsets), bytes)
}

// spanArray returns the hexadecimal form of the spans; none is NULL.
func spanArray(spans []warehouse.SpanID, n int) arrow.Array {
	if spans == nil {
		return nullArray(arrow.BinaryTypes.String, n)
	}
	checkLength("spans", len(spans), n)
	return hexArray(n, 8, func(dst []byte, i int) bool {
		binary.BigEndian.PutUint64(dst, uint64(spans[i]))
		return spans[i] != 0
	})
}

// traceArray returns the hexadecimal form of the traces; none is NULL.
func traceArray(traces []warehouse.TraceID, n int) arrow.Array {
	if traces == nil {
		return nullArray(arrow.BinaryTypes.String, n)
	}
	checkLength("traces", len(traces), n)
	return hexArray(n, 16, func(dst []byte, i int) bool {
		copy(dst, traces[i][:])
		return traces[i] != warehouse.TraceID{}
	})
}

// hexArray returns n strings of width bytes each in hexadecimal. put writes the
// i-th and reports whether it is there.
func hexArray(n, width int, put func(dst []byte, i int) bool) arrow.Array {
	valid, offsets := make([]byte, (n+7)/8), make([]int32, 1, n+1)
	raw, text := make([]byte, width), make([]byte, 0, 2*width*n)
	nulls := 0
	for i := range n {
		if put(raw, i) {
			valid[i/8] |= 1 << (i % 8)
			text = hex.AppendEncode(text, raw)
		} else {
			nulls++
		}
		offsets = append(offsets, int32(len(text)))
	}
	return newArray(arrow.BinaryTypes.String, n, nulls, valid, bytesOf(offsets), text)
}

// nullArray returns n NULLs of a string or 8-byte type. Nobody writes to their memory:
// all have the same zeros.
func nullArray(typ arrow.DataType, n int) arrow.Array {
	zeros := zeroBytes(8 * (n + 1))
	valid := zeros[: (n+7)/8 : (n+7)/8]
	if typ.ID() == arrow.STRING {
		return newArray(typ, n, n, valid, zeros[:4*(n+1)], []byte{})
	}
	return newArray(typ, n, n, valid, zeros[:8*n])
}

// zeros are as many as were needed so far, at most those of a row group.
var zeros atomic.Pointer[[]byte]

// zeroBytes returns n bytes that are zero and stay it.
func zeroBytes(n int) []byte {
	if z := zeros.Load(); z != nil && len(*z) >= n {
		return (*z)[:n]
	}
	z := make([]byte, n)
	if n <= 8*(MaxRowGroupRows+1) {
		zeros.Store(&z)
	}
	return z
}

func listArray(offsets []int32, elements arrow.Array) arrow.Array {
	defer elements.Release()
	return nestedArray(arrow.ListOfNonNullable(elements.DataType()), offsets, elements.Data())
}

func mapArray(typ arrow.DataType, offsets []int32, keys, values arrow.Array) arrow.Array {
	defer keys.Release()
	defer values.Release()
	entries := array.NewData(typ.(*arrow.MapType).Elem(), keys.Len(), []*memory.Buffer{nil},
		[]arrow.ArrayData{keys.Data(), values.Data()}, 0, 0)
	defer entries.Release()
	return nestedArray(typ, offsets, entries)
}

func nestedArray(typ arrow.DataType, offsets []int32, child arrow.ArrayData) arrow.Array {
	data := array.NewData(typ, len(offsets)-1, []*memory.Buffer{nil, memory.NewBufferBytes(bytesOf(offsets))},
		[]arrow.ArrayData{child}, 0, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

// wrap returns an array of the fixed-width type over the values' memory.
func wrap[T any](typ arrow.DataType, values []T) arrow.Array {
	return newArray(typ, len(values), 0, nil, bytesOf(values))
}

func newArray(typ arrow.DataType, n, nulls int, valid []byte, bufs ...[]byte) arrow.Array {
	buffers := make([]*memory.Buffer, 1, 1+len(bufs))
	if valid != nil {
		buffers[0] = memory.NewBufferBytes(valid)
	}
	for _, b := range bufs {
		buffers = append(buffers, memory.NewBufferBytes(b))
	}
	data := array.NewData(typ, n, buffers, nil, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

// bytesOf returns the memory of values, whose type has no pointers.
func bytesOf[T any](values []T) []byte {
	var zero T
	if len(values) == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(zero)))
}

func fill[T any](dst []T, v T) {
	for i := range dst {
		dst[i] = v
	}
}

func checkLength(what string, got, want int) {
	if got != want {
		panic(warehouse.Bug("samples record has %d %s, want %d", got, what, want))
	}
}
