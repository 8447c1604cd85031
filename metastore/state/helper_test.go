package state

import (
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

const (
	hour0   warehouse.Hour = 480_000
	service                = "checkout"
	cpu                    = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
)

// start is the time of a test's first command.
var start = (hour0 + 1).Start()

func objectID(n int) (id warehouse.ObjectID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func profileID(n int) (id warehouse.ProfileID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func key(t warehouse.Tenant, n int) warehouse.ProfileKey {
	return warehouse.ProfileKey{Tenant: t, ID: profileID(n)}
}

func partition(t warehouse.Tenant, h warehouse.Hour) warehouse.PartitionKey {
	return warehouse.PartitionKey{Tenant: t, Service: service, Hour: h}
}

// part is one object's rows of a tenant and hour: from minute 10 to 20.
func part(n int, level uint8, t warehouse.Tenant, h warehouse.Hour) warehouse.Part {
	span := warehouse.TimeRange{From: h.Start() + 600e6, To: h.Start() + 1200e6}
	return warehouse.Part{
		Object: objectID(n), Level: level, Format: 1, Tenant: t, Hour: h, Range: span,
		Datasets: []warehouse.Dataset{{Service: service, Profiles: 1, Types: []warehouse.TypeStats{{Type: cpu, Range: span, Rows: 5}}}},
		Sections: []warehouse.Section{{Table: warehouse.TableSamples, Size: 100, Rows: 5, CRC: uint32(n)}},
	}
}

// deletion deletes all of a tenant's profiles in hours [from, to).
func deletion(n int, t warehouse.Tenant, from, to warehouse.Hour) *warehouse.Deletion {
	return &warehouse.Deletion{ID: objectID(n), Tenant: t, From: from.Start(), To: to.Start(), Reason: warehouse.DeletedByOperator}
}

// place is a tenant and hour.
type place struct {
	tenant warehouse.Tenant
	hour   warehouse.Hour
}

// segment has a part for each place.
func segment(n int, keys []warehouse.ProfileKey, places ...place) AddSegment {
	s := &warehouse.Segment{ID: objectID(n), Size: 1000, Profiles: keys}
	for _, p := range places {
		s.Parts = append(s.Parts, part(n, 0, p.tenant, p.hour))
	}
	return AddSegment{Segment: s}
}

// machine applies commands one after the other.
type machine struct {
	t     testing.TB
	state *State
	at    warehouse.Micros
}

func newMachine(t testing.TB) *machine { return &machine{t: t, state: New(), at: start} }

// do applies a command through its byte form.
func (m *machine) do(c Command) any {
	m.t.Helper()
	answer, err := m.state.Apply(m.state.Index()+1, Append(nil, m.at, c))
	require.NoError(m.t, err)
	return answer
}

func (m *machine) add(c AddSegment) warehouse.AddResult {
	m.t.Helper()
	return m.do(c).(warehouse.AddResult)
}

func (m *machine) mustAdd(c AddSegment) {
	m.t.Helper()
	require.Equal(m.t, warehouse.AddResult{Outcome: warehouse.Added}, m.add(c))
}

func (m *machine) pass(d time.Duration) { m.at += warehouse.Micros(d.Microseconds()) }

// objects returns the ids of all live parts of a tenant.
func (m *machine) objects(t warehouse.Tenant) []warehouse.ObjectID {
	return objectsOf(m.state.View(), t)
}

func objectsOf(v *View, t warehouse.Tenant) []warehouse.ObjectID {
	ids := []warehouse.ObjectID{}
	for _, p := range v.Parts(t, everything) {
		ids = append(ids, p.Object)
	}
	return ids
}

var everything = warehouse.TimeRange{From: warehouse.MinTime, To: warehouse.MaxTime}

func ids(ns ...int) []warehouse.ObjectID {
	out := []warehouse.ObjectID{}
	for _, n := range ns {
		out = append(out, objectID(n))
	}
	return out
}

func ref(n int, t warehouse.Tenant, h warehouse.Hour) PartRef {
	return PartRef{Object: objectID(n), Tenant: t, Hour: h}
}

// buried returns the ids of all tombstones.
func buried(v *View) []warehouse.ObjectID {
	out := []warehouse.ObjectID{}
	for _, t := range v.Tombstones() {
		out = append(out, t.Part.Object)
	}
	return out
}

func later(t warehouse.Micros, d time.Duration) warehouse.Micros {
	return t + warehouse.Micros(d.Microseconds())
}

// reseal gives changed bytes of a command their right checksum.
func reseal(data []byte) []byte {
	payload := data[:len(data)-crcBytes]
	return binary.LittleEndian.AppendUint32(payload[:len(payload):len(payload)], crc32.Checksum(payload, castagnoli))
}
