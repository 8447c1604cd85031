package state

import (
	"bytes"
	"io"
	"testing"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// loaded is a state with parts of 10 tenants in 100 hours each, 10 per hour.
func loaded(b testing.TB) *machine {
	m := newMachine(b)
	n := 0
	for h := range 100 {
		for range 10 {
			places := make([]place, 10)
			for t := range places {
				places[t] = place{warehouse.Tenant("tenant-" + string(rune('a'+t))), hour0 + warehouse.Hour(h)}
			}
			n++
			m.mustAdd(segment(n, []warehouse.ProfileKey{key("tenant-a", n)}, places...))
		}
	}
	return m
}

// go test ./metastore/state -bench Apply -benchmem: a segment of one part into
// 10,000 live ones, with a view published behind each command.
func BenchmarkApply(b *testing.B) {
	m := loaded(b)
	n := 1_000_000
	var data []byte
	b.ReportAllocs()
	for b.Loop() {
		n++
		data = Append(data[:0], m.at, segment(n, []warehouse.ProfileKey{key("tenant-b", n)}, place{"tenant-b", hour0 + warehouse.Hour(n%100)}))
		if _, err := m.state.Apply(m.state.Index()+1, data); err != nil {
			b.Fatal(err)
		}
		m.state.View()
	}
}

// go test ./metastore/state -bench ReplaceParts: 10 parts of an hour by a block,
// among 10,000.
func BenchmarkReplaceParts(b *testing.B) {
	m := loaded(b)
	n := 1_000_000
	at := hour0 + 50
	b.ReportAllocs()
	for b.Loop() {
		c := ReplaceParts{ID: objectID(n)}
		for _, p := range m.state.View().Parts("tenant-c", warehouse.TimeRange{From: at.Start(), To: at.End() - 1}) {
			c.Remove = append(c.Remove, PartRef{p.Object, p.Tenant, p.Hour})
		}
		for range 10 {
			n++
			c.Add = append(c.Add, part(n, 1, "tenant-c", at))
		}
		n++
		if r := m.do(c).(ReplaceResult); r.Outcome != Replaced {
			b.Fatal(r)
		}
	}
}

// go test ./metastore/state -bench Parts$: all of a tenant's 1000 parts, and the
// 10 of an hour.
func BenchmarkParts(b *testing.B) {
	v := loaded(b).state.View()
	at := hour0 + 50
	for name, r := range map[string]warehouse.TimeRange{"all": everything, "hour": {From: at.Start(), To: at.End() - 1}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Parts("tenant-d", r)
			}
		})
	}
}

// go test ./metastore/state -bench Snapshot: 10,000 parts.
func BenchmarkSnapshot(b *testing.B) {
	v := loaded(b).state.View()
	data := snapshotBytes(b, v)
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			_, _ = v.WriteTo(io.Discard)
		}
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := Read(bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// go test ./metastore/state -bench Plan -benchmem: over 10,000 parts of 1,000 hours
// of which none is final, as after a long absence of workers, and over 50 segments.
func BenchmarkPlan(b *testing.B) {
	one := newMachine(b)
	for n := range 50 {
		one.flush(n+1, 100, acme)
	}
	p := DefaultPolicy()
	for name, m := range map[string]*machine{"parts=10000": loaded(b), "parts=50": one} {
		v := m.state.View()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Plans(&p, m.at, 4)
			}
		})
	}
}
