package profile

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// base is a small valid profile, message by message:
// main (inlining leaf) called from start, without a mapping for start.
func base() [][]byte {
	return [][]byte{
		pbBytes(profileSampleType, pbVarint(1, 1), pbVarint(2, 2)),
		pbBytes(profileSample, pbPacked(1, 1, 2), pbPacked(2, 7), pbBytes(3, pbVarint(1, 8), pbVarint(2, 9))),
		pbBytes(profileMapping, pbVarint(1, 1), pbVarint(2, 0x1000), pbVarint(3, 0x9000), pbVarint(4, 0x10), pbVarint(5, 6), pbVarint(6, 7)),
		pbBytes(profileLocation, pbVarint(1, 1), pbVarint(2, 1), pbVarint(3, 0x1234),
			pbBytes(4, pbVarint(1, 1), pbVarint(2, 11)), pbBytes(4, pbVarint(1, 2), pbVarint(2, 22))),
		pbBytes(profileLocation, pbVarint(1, 2), pbVarint(3, 0x77)),
		pbBytes(profileFunction, pbVarint(1, 1), pbVarint(2, 3), pbVarint(3, 3), pbVarint(4, 5), pbVarint(5, 10)),
		pbBytes(profileFunction, pbVarint(1, 2), pbVarint(2, 4), pbVarint(3, 0), pbVarint(4, 5), pbVarint(5, 20)),
		pbString(""), pbString("cpu"), pbString("nanoseconds"), pbString("leaf"), pbString("main"),
		pbString("main.go"), pbString("/bin/app"), pbString("abc"), pbString("endpoint"), pbString("/cart"),
		pbVarint(profileTimeNanos, 1767225600_000000123),
		pbVarint(profileDurationNanos, 15e9),
		pbBytes(profilePeriodType, pbVarint(1, 1), pbVarint(2, 2)),
		pbVarint(profilePeriod, 10_000_000),
	}
}

// strings of base.
const (
	strCPU = 1 + iota
	strNanoseconds
	strLeaf
	strMain
	strFile
	strBinary
	strBuild
	strEndpoint
	strCart
)

func TestDecode(t *testing.T) {
	t.Parallel()
	want := func(t *testing.T, p *Profile) {
		assert.Equal(t, []ValueType{{strCPU, strNanoseconds}}, p.SampleTypes)
		assert.Equal(t, []Mapping{{ID: 1, Start: 0x1000, Limit: 0x9000, Offset: 0x10, File: strBinary, BuildID: strBuild}}, p.Mappings)
		assert.Equal(t, []Function{{1, strLeaf, strLeaf, strFile, 10}, {2, strMain, 0, strFile, 20}}, p.Functions)
		assert.Equal(t, []Location{{1, 0x1234, 1, 0, 2}, {2, 0x77, 0, 2, 2}}, p.Locations)
		assert.Equal(t, []Line{{0, 11}, {1, 22}}, p.Lines)
		assert.Equal(t, []Sample{{0, 2, 0, 1}}, p.Samples)
		assert.Equal(t, []uint32{0, 1}, p.SampleLocations)
		assert.Equal(t, []int64{7}, p.Values)
		assert.Equal(t, []SampleLabel{{strEndpoint, strCart}}, p.SampleLabels)
		assert.Equal(t, ValueType{strCPU, strNanoseconds}, p.PeriodType)
		assert.EqualValues(t, 10_000_000, p.Period)
		assert.EqualValues(t, 1767225600_000000123, p.TimeNanos)
		assert.EqualValues(t, 15e9, p.DurationNanos)
		assert.Equal(t, "/cart", p.Text(strCart))
	}
	forward := base()
	backward := base()
	for i, j := 0, len(backward)-1; i < j; i, j = i+1, j-1 {
		backward[i], backward[j] = backward[j], backward[i]
	}
	// The order within a table stays.
	backwardTables := pbJoin(backward[:4]...)
	for _, m := range base()[7:17] {
		backwardTables = append(backwardTables, m...)
	}
	for _, m := range [][]byte{base()[5], base()[6], base()[3], base()[4], base()[2], base()[1], base()[0]} {
		backwardTables = append(backwardTables, m...)
	}
	unpacked := base()
	unpacked[1] = pbBytes(profileSample, pbVarint(1, 1), pbVarint(2, 7), pbVarint(1, 2), pbBytes(3, pbVarint(1, 8), pbVarint(2, 9)))
	unknown := append(base(),
		pbVarint(100, 5), pbBytes(101, []byte("skip me")),
		[]byte{15<<3 | 1, 1, 2, 3, 4, 5, 6, 7, 8}, []byte{15<<3 | 5, 1, 2, 3, 4},
		pbVarint(13, 9999), pbVarint(14, 9999), // comment, default sample type
	)

	tests := []struct {
		name string
		body []byte
	}{
		{"as Go writes it", pbJoin(forward...)},
		{"tables behind their uses", backwardTables},
		{"unpacked lists", pbJoin(unpacked...)},
		{"unknown fields", pbJoin(unknown...)},
	}
	var d Decoder // one for all: nothing of a profile stays in the next
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := d.Decode(tt.body, Limits{})
			require.NoError(t, err)
			want(t, p)
		})
	}
}

// Profilers number rows as they like.
func TestDecodeIDs(t *testing.T) {
	t.Parallel()
	for _, ids := range []struct {
		name string
		id   func(i uint64) uint64
	}{
		{"dense", func(i uint64) uint64 { return i }},
		{"with gaps", func(i uint64) uint64 { return 3 * i }},
		{"backwards", func(i uint64) uint64 { return 100 - i }},
		{"addresses", func(i uint64) uint64 { return 0x7fff_1234_0000 - i*32 }},
		{"the largest", func(i uint64) uint64 { return -i }},
	} {
		t.Run(ids.name, func(t *testing.T) {
			t.Parallel()
			var d Decoder
			parts := [][]byte{pbString(""), pbString("x"), pbBytes(1, pbVarint(1, 1))}
			const n = 20
			var refs []uint64
			for i := uint64(1); i <= n; i++ {
				parts = append(parts,
					pbBytes(profileMapping, pbVarint(1, ids.id(i))),
					pbBytes(profileFunction, pbVarint(1, ids.id(i)), pbVarint(2, 1)),
					pbBytes(profileLocation, pbVarint(1, ids.id(i)), pbVarint(2, ids.id(n+1-i)), pbBytes(4, pbVarint(1, ids.id(n+1-i)))))
				refs = append(refs, ids.id(i))
			}
			parts = append(parts, pbBytes(profileSample, pbPacked(1, refs...), pbPacked(2, 1)))
			for range 2 {
				p, err := d.Decode(pbJoin(parts...), Limits{})
				require.NoError(t, err)
				for i := range uint32(n) {
					assert.Equal(t, i, p.SampleLocations[i])
					assert.Equal(t, n-i, p.Locations[i].Mapping)
					assert.Equal(t, n-1-i, p.Lines[i].Function)
				}
			}
			for _, unknown := range []uint64{0, ids.id(n + 1), ids.id(1) + 1<<40} {
				_, err := d.Decode(pbJoin(append(parts, pbBytes(profileSample, pbPacked(1, unknown), pbPacked(2, 1)))...), Limits{})
				require.ErrorContains(t, err, "unknown location id")
				_, err = d.Decode(pbJoin(append(parts, pbBytes(profileSample, pbVarint(1, unknown), pbPacked(2, 1)))...), Limits{})
				require.ErrorContains(t, err, "unknown location id")
			}
			for _, table := range []int{profileMapping, profileFunction, profileLocation} {
				_, err := d.Decode(pbJoin(append(parts, pbBytes(table, pbVarint(1, ids.id(7))))...), Limits{})
				require.ErrorContains(t, err, "is used twice")
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	with := func(i int, m []byte) []byte {
		parts := base()
		parts[i] = m
		return pbJoin(parts...)
	}
	const far = 100500
	tests := []struct {
		name   string
		body   []byte
		want   string
		reason string // malformed_profile if empty
	}{
		{name: "nothing", body: nil, want: "empty profile"},
		{name: "no sample types", body: pbString(""), want: "empty profile"},
		{name: "text", body: []byte("runtime.main;main.main 12\n"), want: "decode profile"},
		{name: "cut short", body: pbJoin(base()...)[:90], want: "longer than its message"},
		{name: "no strings", body: pbBytes(1), want: "string index out of range"},
		{name: "no strings at all", body: pbJoin(pbBytes(1)), want: "out of range"},
		{name: "string 0", body: with(7, pbString("hmmm")), want: "string 0 should be empty string"},
		{name: "invalid UTF-8", body: with(8, pbString("\xff\xfe")), want: "string 1: invalid UTF-8"},
		{name: "half a character", body: with(8, pbString("\xe2\x82")), want: "invalid UTF-8"},
		{name: "sample type type", body: with(0, pbBytes(1, pbVarint(1, far))), want: "sample type type string index out of range"},
		{name: "sample type unit", body: with(0, pbBytes(1, pbVarint(2, far))), want: "sample type unit string index out of range"},
		{name: "period type", body: with(19, pbBytes(profilePeriodType, pbVarint(1, far))), want: "period type type string index out of range"},
		{name: "negative string index", body: with(0, pbBytes(1, pbVarint(1, 1<<64-1))), want: "sample type type string index out of range: -1"},
		{name: "function id", body: with(5, pbBytes(profileFunction, pbVarint(2, 3))), want: "function id is 0"},
		{name: "function name", body: with(5, pbBytes(profileFunction, pbVarint(1, 1), pbVarint(2, far))), want: "function name string index out of range"},
		{name: "function system name", body: with(5, pbBytes(profileFunction, pbVarint(1, 1), pbVarint(3, far))), want: "function system name string index out of range"},
		{name: "function file name", body: with(5, pbBytes(profileFunction, pbVarint(1, 1), pbVarint(4, far))), want: "function file name string index out of range"},
		{name: "function twice", body: with(5, pbBytes(profileFunction, pbVarint(1, 2))), want: "function id 2 is used twice"},
		{name: "mapping id", body: with(2, pbBytes(profileMapping, pbVarint(2, 3))), want: "mapping id is 0"},
		{name: "mapping file", body: with(2, pbBytes(profileMapping, pbVarint(1, 1), pbVarint(5, far))), want: "mapping file name string index out of range"},
		{name: "mapping build id", body: with(2, pbBytes(profileMapping, pbVarint(1, 1), pbVarint(6, far))), want: "mapping build id string index out of range"},
		{name: "location id", body: with(4, pbBytes(profileLocation, pbVarint(3, 1))), want: "location id is 0"},
		{name: "location twice", body: with(4, pbBytes(profileLocation, pbVarint(1, 1))), want: "location id 1 is used twice"},
		{name: "unknown mapping", body: with(4, pbBytes(profileLocation, pbVarint(1, 2), pbVarint(2, 9))), want: "unknown mapping id 9"},
		{name: "unknown function", body: with(4, pbBytes(profileLocation, pbVarint(1, 2), pbBytes(4, pbVarint(1, 9)))), want: "unknown function id 9"},
		{name: "unknown location", body: with(1, pbBytes(profileSample, pbPacked(1, 1, 3), pbPacked(2, 7))), want: "unknown location id 3"},
		{name: "location 0", body: with(1, pbBytes(profileSample, pbPacked(1, 0), pbPacked(2, 7))), want: "unknown location id 0"},
		{name: "locations cut short", body: with(1, pbBytes(profileSample, pbBytes(1, []byte{0x80, 0x80}), pbPacked(2, 7))), want: "location ids are cut short"},
		{name: "values cut short", body: with(1, pbBytes(profileSample, pbBytes(2, []byte{0x80}))), want: "values are cut short"},
		{name: "no values", body: with(1, pbBytes(profileSample, pbPacked(1, 1))), want: "sample 0 has 0 values, want one per sample type: 1"},
		{name: "too many values", body: with(1, pbBytes(profileSample, pbPacked(2, 1, 2))), want: "sample 0 has more than 1 values"},
		{name: "too many unpacked values", body: with(1, pbBytes(profileSample, pbVarint(2, 1), pbVarint(2, 2))), want: "sample 0 has more than 1 values"},
		{name: "label key", body: with(1, pbBytes(profileSample, pbPacked(2, 7), pbBytes(3, pbVarint(1, far)))), want: "sample label string index out of range"},
		{name: "label value", body: with(1, pbBytes(profileSample, pbPacked(2, 7), pbBytes(3, pbVarint(2, far)))), want: "sample label string index out of range"},
		{name: "label unit", body: with(1, pbBytes(profileSample, pbPacked(2, 7), pbBytes(3, pbVarint(4, far)))), want: "sample label string index out of range"},
		{name: "wrong wire type of a message", body: with(1, pbVarint(profileSample, 3)), want: "field has a wrong wire type"},
		{name: "wrong wire type of a number", body: with(17, pbBytes(profileTimeNanos, []byte{1})), want: "field has a wrong wire type"},
		{name: "wrong wire type inside", body: with(5, pbBytes(profileFunction, pbBytes(1, []byte{1}))), want: "function 0: at byte"},
		{name: "wrong wire type of a location id", body: with(1, pbBytes(profileSample, []byte{1<<3 | 5, 1, 0, 0, 0}, pbPacked(2, 7))), want: "unknown location id 0"},

		{name: "many samples", body: pbJoin(append(base(), base()[1], base()[1], base()[1])...), want: "it has 4 samples, the limit is 3", reason: warehouse.ReasonSamplesLimit},
		{name: "many strings", body: pbJoin(append(base(), pbJoin(bytes.Repeat(pbString("x"), 50)))...), want: "60 strings, the limit is 50", reason: warehouse.ReasonProfileSize},
		{name: "many sample labels", body: with(1, pbBytes(profileSample, pbPacked(2, 7), bytes.Repeat(pbBytes(3, pbVarint(3, 1)), 6))), want: "sample 0 has 6 labels, the limit is 5", reason: warehouse.ReasonSampleLabels},
		{name: "many lines", body: with(4, pbBytes(profileLocation, pbVarint(1, 2), bytes.Repeat(pbBytes(4, pbVarint(1, 1)), 11))), want: "location id 2 has 11 lines"},
		{name: "too many bytes", body: append(pbJoin(base()...), pbBytes(100, make([]byte, 4096))...), want: "more than the 4096 bytes allowed", reason: warehouse.ReasonProfileSize},
	}
	lim := Limits{MaxBytes: 4096, MaxSamples: 3, MaxRows: 50, MaxSampleLabels: 5, MaxDepth: 10}
	var d Decoder
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := d.Decode(tt.body, lim)
			require.ErrorContains(t, err, tt.want)
			assert.Nil(t, p)
			assert.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
			if tt.reason == "" {
				tt.reason = warehouse.ReasonMalformedProfile
			}
			assert.Equal(t, tt.reason, warehouse.ReasonOf(err))

			_, err = d.Decode(pbJoin(base()...), lim)
			require.NoError(t, err, "the decoder is as new after an error")
		})
	}
}

// A line without a function says nothing: the location keeps its others, or has
// no symbols.
func TestDecodeLineWithoutFunction(t *testing.T) {
	t.Parallel()
	parts := base()
	parts[3] = pbBytes(profileLocation, pbVarint(1, 1), pbBytes(4, pbVarint(2, 5)), pbBytes(4, pbVarint(1, 2), pbVarint(2, 22)))
	parts[4] = pbBytes(profileLocation, pbVarint(1, 2), pbBytes(4, pbVarint(2, 5)))
	var d Decoder
	p, err := d.Decode(pbJoin(parts...), Limits{})
	require.NoError(t, err)
	assert.Equal(t, []Line{{1, 22}}, p.Lines)
	assert.Equal(t, p.Locations[1].FirstLine, p.Locations[1].LinesEnd)
}

// Many samples of many types, of which none has a value, buy no memory.
func TestDecodeMemoryIsBounded(t *testing.T) {
	t.Parallel()
	body := pbJoin(pbString(""), bytes.Repeat(pbBytes(profileSampleType), 10_000), bytes.Repeat(pbBytes(profileSample), 500_000))
	var d Decoder
	_, err := d.Decode(body, Limits{})
	require.ErrorContains(t, err, "sample 0 has 0 values, want one per sample type: 10000")
	assert.LessOrEqual(t, cap(d.p.Values), 2*len(body))
}
