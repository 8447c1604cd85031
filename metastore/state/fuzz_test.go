package state

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// examples are commands of every kind, small and large.
func examples() []Command {
	sim := newSimulation(7)
	v := New().View()
	cmds := []Command{
		segment(1, []warehouse.ProfileKey{key("acme", 1)}, place{"acme", hour0}),
		AbortSegment{ID: objectID(1)},
		ReplaceParts{
			ID: objectID(2), Remove: []PartRef{ref(1, "acme", hour0)},
			Add: []warehouse.Part{part(3, 1, "acme", hour0)}, Undefs: []warehouse.PartitionKey{partition("acme", hour0)},
		},
		ReplaceParts{},
		SetTenant{Tenant: "acme", Settings: []Setting{{"a", "1"}, {"b", ""}}},
		SetTenant{},
		SetRetention{Tenant: "acme", Retention: 5},
		SetRetention{Retention: InheritRetention},
		Expire{},
		ForgetTombstones{Objects: ids(1, 2, 3)},
		ForgetTombstones{},
		TakeJobs{Worker: "w", Max: 2, Lease: time.Minute, Plans: []Plan{
			{Tenant: "acme", Hour: hour0, Level: 1, Inputs: ids(2)}, {Tenant: "acme", Hour: hour0 + 1, Level: 3, Inputs: ids(2, 50)},
		}},
		TakeJobs{},
		RenewJobs{Worker: "w", Lease: time.Minute, Jobs: []warehouse.JobRef{{ID: objectID(1), Token: 7}}},
		RenewJobs{},
		FinishJob{Job: warehouse.JobRef{ID: objectID(1), Token: 7}, Outputs: []warehouse.Part{part(3, 1, "acme", hour0)}},
		FinishJob{},
		FailJob{Job: warehouse.JobRef{ID: objectID(1), Token: 7}, Reason: "no"},
		FailJob{},
		ReleaseJobs{Jobs: ids(1, 2)},
		ReleaseJobs{},
		FenceObjects{Objects: []Found{{ID: objectID(7)}, {ID: objectID(8), Tenant: "acme", Hour: hour0}}},
		FenceObjects{},
		Delete{Deletion: deletion(9, "acme", hour0, hour0+2)},
		Delete{Deletion: &warehouse.Deletion{
			ID: objectID(10), Tenant: "acme", Services: []string{"a", service}, Types: []string{cpu}, Series: []warehouse.SeriesID{-5, 7},
			From: hour0.Start(), To: hour0.Start() + 1, Selector: `{pod="x"}`, Reason: warehouse.DeletedByRetention,
		}},
		SetRetentionRule{Tenant: "acme", Rule: RetentionRule{Service: service, Type: cpu, Keep: time.Hour}},
		SetRetentionRule{Tenant: "acme", Rule: RetentionRule{Keep: InheritRetention}},
	}
	for range 20 {
		cmds = append(cmds, sim.next(v))
	}
	return cmds
}

func TestCommandCodecRoundTrip(t *testing.T) {
	t.Parallel()
	kinds := map[Kind]bool{}
	for _, want := range examples() {
		kinds[want.Kind()] = true
		data := Append([]byte("prefix"), -5, want)
		require.Equal(t, "prefix", string(data[:6]))
		require.NoError(t, Check(data[6:]))
		at, got, err := Decode(data[6:])
		require.NoError(t, err)
		require.Equal(t, warehouse.Micros(-5), at)
		require.Equal(t, want, got)
		require.NotContains(t, want.Kind().String(), "(", "every kind has a name")
	}
	for _, k := range Kinds {
		require.True(t, kinds[k], "an example of %s", k)
	}
	require.Len(t, Kinds, len(decoders))
}

// Any bytes with a right checksum: decoding never panics, a command has one
// form, and applying it neither panics nor differs between two states.
func FuzzDecodeCommand(f *testing.F) {
	for _, c := range examples() {
		data := Append(nil, start, c)
		f.Add(data[:len(data)-crcBytes])
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		data := reseal(append(bytes.Clone(payload), 0, 0, 0, 0))
		_, _, _ = Decode(payload) // with whatever its last bytes are for a checksum
		at, cmd, err := Decode(data)
		if err != nil {
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
			return
		}
		require.Equal(t, data, Append(nil, at, cmd), "a command has one form")
		for _, a := range []*machine{fullMachine(t), machineWithJobs(t), machineWithDeletions(t)} {
			b := restoreView(t, a.state.View())
			index := a.state.Index() + 1
			got, err := a.state.Apply(index, data)
			require.NoError(t, err)
			same, err := b.Apply(index, data)
			require.NoError(t, err)
			require.Equal(t, got, same)
			require.Equal(t, a.state.View().Digest(), b.View().Digest())
			require.Equal(t, a.state.claims, b.claims)
		}
	})
}

func FuzzReadSnapshot(f *testing.F) {
	f.Add(snapshotBytes(f, New().View()))
	f.Add(snapshotBytes(f, fullMachine(f).state.View()))
	f.Add(snapshotBytes(f, machineWithJobs(f).state.View()))
	f.Add(snapshotBytes(f, machineWithDeletions(f).state.View()))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = Read(bytes.NewReader(data))
	})
}

// The bytes are cut into frames with right checksums: kind[1] ‖ length[1] ‖ payload.
func FuzzReadFrames(f *testing.F) {
	for _, v := range []*View{New().View(), fullMachine(f).state.View(), machineWithJobs(f).state.View(), machineWithDeletions(f).state.View()} {
		var seed []byte
		for _, frame := range splitFrames(f, snapshotBytes(f, v)) {
			payload := frame[frameHeaderBytes:]
			seed = append(append(seed, frame[4], byte(len(payload))), payload[:min(len(payload), 255)]...)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var buf bytes.Buffer
		w := &frameWriter{w: &buf}
		for len(data) >= 2 {
			n := min(int(data[1]), len(data)-2)
			w.begin(frameKind(data[0])).Raw(data[2 : 2+n])
			w.end()
			data = data[2+n:]
		}
		s, err := Read(&buf)
		if err != nil {
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
			return
		}
		v := s.View()
		require.Equal(t, v.Digest(), restoreView(t, v).View().Digest())
		_ = v.HasExpired(start)
		p := DefaultPolicy()
		_ = v.Plans(&p, start, 9)
		for _, name := range v.Tenants() {
			_ = v.Parts(name, warehouse.TimeRange{From: start, To: start + warehouse.Micros(rand.Int64N(1e9))})
			_ = v.Bounds(name)
		}
	})
}
