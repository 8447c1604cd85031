package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// TestConsistent: each way in which an index may contradict itself is found by name.
func TestConsistent(t *testing.T) {
	t.Parallel()
	firstHour := func(v *View) *hour { return v.tenants[0].hours[0] }
	changePart := func(v *View, change func(*warehouse.Part)) {
		p := *firstHour(v).parts[0]
		change(&p)
		firstHour(v).parts[0] = &p
	}
	tests := []struct {
		name   string
		change func(v *View)
		want   []string
	}{
		{"nothing", func(*View) {}, nil},
		{"tenants in another order", func(v *View) { v.tenants[0], v.tenants[2] = v.tenants[2], v.tenants[0] }, []string{CheckTenants}},
		{"no tenant's name", func(v *View) { v.tenants[1].name = "" }, []string{CheckPart, CheckTenants, CheckJobInputs}},
		{"hours in another order", func(v *View) {
			v.tenants[0].hours = append(v.tenants[0].hours, &hour{hour: v.tenants[0].hours[0].hour - 1, parts: []*warehouse.Part{partAt(v, 900)}})
			v.totals.Parts++
			v.totals.Objects++
			v.totals.Bytes += 100
		}, []string{CheckHours}},
		{"an hour without parts", func(v *View) {
			v.tenants[0].hours = append(v.tenants[0].hours, &hour{hour: v.tenants[0].hours[0].hour + 1})
		}, []string{CheckHours}},
		{"an invalid part", func(v *View) { changePart(v, func(p *warehouse.Part) { p.Format = 0 }) }, []string{CheckPart}},
		{"a part of another tenant", func(v *View) { changePart(v, func(p *warehouse.Part) { p.Tenant = "other" }) }, []string{CheckPart}},
		{"a part twice", func(v *View) {
			h := firstHour(v)
			h.parts = append(h.parts, h.parts[0])
			v.totals.Parts++
			v.totals.Bytes += h.parts[0].SizeBytes()
		}, []string{CheckObject}},
		{"a block of two parts", func(v *View) {
			x := *v.tenants[2].hours[0].parts[0]
			changePart(v, func(p *warehouse.Part) { p.Object, p.Level = x.Object, x.Level })
		}, []string{CheckJobInputs, CheckObject, CheckTotals}},
		{"an object of two levels", func(v *View) {
			x := *v.tenants[2].hours[0].parts[0]
			changePart(v, func(p *warehouse.Part) { p.Object = x.Object })
		}, []string{CheckJobInputs, CheckObject, CheckTotals}},
		{"an epoch to come", func(v *View) { firstHour(v).epochs = []serviceEpoch{{"s", v.index + 1}} }, []string{CheckEpoch}},
		{"a horizon to come", func(v *View) { v.tenants[0].horizonEpoch = v.index + 1 }, []string{CheckEpoch}},
		{"totals of parts", func(v *View) { v.totals.Parts++ }, []string{CheckTotals}},
		{"totals of bytes", func(v *View) { v.totals.Bytes-- }, []string{CheckTotals}},
		{"a tombstone of what is live", func(v *View) {
			v.tombstones = append(v.tombstones, &Tombstone{Part: *firstHour(v).parts[0], Index: 1})
		}, []string{CheckTombstones}},
		{"a tombstone twice", func(v *View) { v.tombstones = append(v.tombstones, v.tombstones[0]) }, []string{CheckTombstones}},
		{"a tombstone to come", func(v *View) {
			x := *v.tombstones[0]
			x.Index = v.index + 1
			v.tombstones[0] = &x
		}, []string{CheckTombstones}},
		{"a job twice", func(v *View) { v.jobs = append(v.jobs, v.jobs[0]) }, []string{CheckJob, CheckJobInputs}},
		{"a job with a token to come", func(v *View) { x := *v.jobs[0]; x.Token = v.index + 1; v.jobs[0] = &x }, []string{CheckJob}},
		{"a job without inputs", func(v *View) { x := *v.jobs[0]; x.Inputs = nil; v.jobs[0] = &x }, []string{CheckJobInputs}},
		{"a job whose input is not live", func(v *View) { x := *v.jobs[0]; x.Inputs = ids(12345); v.jobs[0] = &x }, []string{CheckJobInputs}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := restoreView(t, machineWithJobs(t).state.View()).View()
			require.Len(t, v.tenants, 3)
			require.NotEmpty(t, v.tombstones)
			require.NotEmpty(t, v.jobs)
			tt.change(v)
			var r warehouse.Report
			v.Consistent(&r)
			var text []string
			for _, f := range r.Findings {
				text = append(text, f.String())
			}
			slices.Sort(tt.want)
			require.Equal(t, tt.want, slices.Sorted(maps.Keys(r.Found)), strings.Join(text, "\n"))
			require.Positive(t, r.Checks)
		})
	}
}

// partAt returns a part that fits behind the first hour of the first tenant.
func partAt(v *View, n int) *warehouse.Part {
	p := part(n, 0, v.tenants[0].name, v.tenants[0].hours[0].hour-1)
	return &p
}

// TestConsistentLater: whatever commands do, the index does not contradict itself.
func TestConsistentLater(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		w := newJobWorld(t, seed)
		for range 400 {
			w.step()
		}
		var r warehouse.Report
		w.state.View().Consistent(&r)
		require.Empty(t, r.Findings)
	}
}

// TestDescribe: everything that a snapshot holds is told.
func TestDescribe(t *testing.T) {
	t.Parallel()
	d := machineWithJobs(t).state.View().Describe()
	require.Len(t, d.Tenants, 3)
	require.Equal(t, warehouse.Tenant("acme"), d.Tenants[0].Name)
	require.Len(t, d.Jobs, 2)
	require.Equal(t, "read object: checksum", d.Jobs[0].Reason)
	require.Positive(t, d.Jobs[0].NotBefore)
	require.Positive(t, d.Jobs[1].LeaseEnd)
	require.Len(t, d.Fences, 1)
	require.Equal(t, "fenced", d.Fences[0].Verdict)
	verdicts := map[string]int{}
	for _, f := range d.Fates {
		verdicts[f.Verdict]++
	}
	require.Equal(t, map[string]int{"added": 9, "finished": 1}, verdicts)
	full := fullMachine(t).state.View().Describe()
	require.Equal(t, map[warehouse.Tenant]int{"acme": 1, "globex": 1}, full.Batches[0].Profiles)
	require.Len(t, full.Tenants[0].Hours[0].Epochs, 1)
	require.EqualValues(t, 6, full.Tenants[1].HorizonEpoch)
	require.Equal(t, []Setting{{"a", "1"}}, full.Tenants[0].Settings)
}

// TestNewerVersions: what a newer build wrote is told by its version, and damage is
// not taken for it.
func TestNewerVersions(t *testing.T) {
	t.Parallel()
	v := machineWithJobs(t).state.View()
	data := snapshotBytes(t, v)
	require.NoError(t, CheckVersion(strings.NewReader(string(data))))
	newer := newerSnapshot(data)
	err := CheckVersion(strings.NewReader(string(newer)))
	want := fmt.Sprintf("format version is %d, this build reads 1 to %d", snapshotVersion+1, snapshotVersion)
	require.ErrorContains(t, err, "its "+want+": use a newer one")
	require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
	_, err = Read(strings.NewReader(string(newer)))
	require.ErrorContains(t, err, want)
	newer[20] ^= 1
	require.NoError(t, CheckVersion(strings.NewReader(string(newer))), "damage")
	require.NoError(t, CheckVersion(strings.NewReader("")))

	for _, c := range examples() {
		require.NoError(t, CheckCommandVersion(Append(nil, 5, c)))
	}
	require.ErrorContains(t, CheckCommandVersion(resealed(Append(nil, 5, Expire{}), 0, envelopeVersion+1)),
		fmt.Sprintf("its format version is %d, this build reads 1 to %d", envelopeVersion+1, envelopeVersion))
	require.ErrorContains(t, CheckCommandVersion(resealed(Append(nil, 5, Expire{}), 1, byte(len(Kinds)+1))),
		fmt.Sprintf("it is command(%d), this build knows 1 to %d", len(Kinds)+1, len(Kinds)))
	require.NoError(t, CheckCommandVersion(nil))
	damaged := Append(nil, 5, Expire{})
	damaged[0] = 9
	require.NoError(t, CheckCommandVersion(damaged))
}

// newerSnapshot returns a snapshot whose version is the one after ours.
func newerSnapshot(data []byte) []byte {
	data = bytes.Clone(data)
	n := binary.LittleEndian.Uint32(data)
	data[frameHeaderBytes] = snapshotVersion + 1
	sum := crc32.Update(crc32.Checksum(data[:5], castagnoli), castagnoli, data[frameHeaderBytes:frameHeaderBytes+int(n)])
	binary.LittleEndian.PutUint32(data[5:], sum)
	return data
}

// resealed returns a command in which one byte is another, with the right checksum.
func resealed(data []byte, at int, b byte) []byte {
	data[at] = b
	payload := data[:len(data)-crcBytes]
	return binary.LittleEndian.AppendUint32(bytes.Clone(payload), crc32.Checksum(payload, castagnoli))
}
