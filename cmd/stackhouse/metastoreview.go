package main

import (
	"time"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// indexView is the JSON of an index. Durations are in seconds; a retention of -1 is
// the default one, 0 is for ever.
type indexView struct {
	Node      string           `json:"node"`
	Format    int              `json:"format"`
	Since     time.Time        `json:"since"`
	Log       logView          `json:"log"`
	Snapshots []snapshotView   `json:"snapshots"`
	State     *stateView       `json:"state"`
	Tenants   []tenantView     `json:"tenants"`
	Parts     []livePartView   `json:"parts"`
	Epochs    []epochView      `json:"epochs"`
	Jobs      []jobView        `json:"jobs"`
	Dead      []tombstoneView  `json:"tombstones"`
	Fates     []fateView       `json:"fates"`
	Fences    []fateView       `json:"fences"`
	Profiles  map[string]int64 `json:"remembered_profiles"`
}

type logView struct {
	First     uint64           `json:"first"`
	Last      uint64           `json:"last"`
	Term      uint64           `json:"term"`
	Files     int              `json:"files"`
	TornBytes int              `json:"torn_bytes"`
	Commands  map[string]int64 `json:"commands"`
	Others    int64            `json:"others"`
}

type snapshotView struct {
	ID       string `json:"id"`
	Index    uint64 `json:"index"`
	Term     uint64 `json:"term"`
	Bytes    int64  `json:"bytes"`
	Readable bool   `json:"readable"`
}

type stateView struct {
	Index     uint64  `json:"index"`
	Time      string  `json:"time"`
	From      uint64  `json:"from_snapshot"`
	Retention float64 `json:"retention"`
	Parts     int     `json:"parts"`
	Objects   int     `json:"objects"`
	Bytes     int64   `json:"bytes"`
}

type tenantView struct {
	Tenant       string            `json:"tenant"`
	Retention    float64           `json:"retention"`
	Settings     map[string]string `json:"settings"`
	HorizonHour  string            `json:"horizon_hour,omitempty"`
	HorizonEpoch uint64            `json:"horizon_epoch,omitempty"`
}

type livePartView struct {
	Object string `json:"object"`
	Level  uint8  `json:"level"`
	Shard  uint32 `json:"shard"`
	partView
}

type jobView struct {
	ID       string   `json:"id"`
	Tenant   string   `json:"tenant"`
	Hour     string   `json:"hour"`
	Level    uint8    `json:"level"`
	Inputs   []string `json:"inputs"`
	Bytes    int64    `json:"bytes"`
	State    string   `json:"state"`
	Worker   string   `json:"worker"`
	Token    uint64   `json:"token"`
	Since    string   `json:"since"`
	LeaseEnd string   `json:"lease_end"`
	Attempts int      `json:"attempts"`
	Failures int      `json:"failures"`
	Reason   string   `json:"reason"`
}

type tombstoneView struct {
	Object string `json:"object"`
	Level  uint8  `json:"level"`
	Tenant string `json:"tenant"`
	Hour   string `json:"hour"`
	Bytes  int64  `json:"bytes"`
	Index  uint64 `json:"index"`
	At     string `json:"at"`
}

type fateView struct {
	ID      string `json:"id"`
	Verdict string `json:"verdict"`
	Token   uint64 `json:"token,omitempty"`
}

func newIndexView(o *metastore.Offline, f *filterFlags) *indexView {
	v := &indexView{
		Node: o.Node, Format: o.Format, Since: o.Since.UTC(), Snapshots: []snapshotView{}, Tenants: []tenantView{}, Parts: []livePartView{},
		Epochs: []epochView{}, Jobs: []jobView{}, Dead: []tombstoneView{}, Fates: []fateView{}, Fences: []fateView{}, Profiles: map[string]int64{},
		Log: logView{o.Log.First, o.Log.Last, o.Log.Term, o.Log.Files, o.Log.Torn, map[string]int64{}, o.Log.Others},
	}
	for k, n := range o.Log.Commands {
		v.Log.Commands[k.String()] = n
	}
	for i := range o.Snapshots {
		s := &o.Snapshots[i]
		v.Snapshots = append(v.Snapshots, snapshotView{s.ID, s.Index, s.Term, s.Bytes, s.Readable})
	}
	if o.View != nil {
		v.addState(o, o.View.Describe(), f)
	}
	return v
}

func (v *indexView) addState(o *metastore.Offline, d *state.Description, f *filterFlags) {
	v.State = &stateView{d.Index, d.Time.String(), o.From, retentionSeconds(d.Retention), d.Totals.Parts, d.Totals.Objects, d.Totals.Bytes}
	for i := range d.Tenants {
		v.addTenant(&d.Tenants[i], f)
	}
	eachPart(d, f, func(p *warehouse.Part) {
		v.Parts = append(v.Parts, livePartView{p.Object.String(), p.Level, p.Shard, newPartView(p)})
	})
	for i := range d.Jobs {
		if j := &d.Jobs[i]; f.place(j.Tenant, j.Hour) {
			v.Jobs = append(v.Jobs, newJobView(j))
		}
	}
	for _, t := range d.Tombstones {
		if p := &t.Part; f.place(p.Tenant, p.Hour) {
			v.Dead = append(v.Dead, tombstoneView{p.Object.String(), p.Level, string(p.Tenant), p.Hour.String(), p.SizeBytes(), t.Index, t.At.String()})
		}
	}
	v.Fates, v.Fences = fateViews(d.Fates), fateViews(d.Fences)
	for _, b := range d.Batches {
		for t, n := range b.Profiles {
			if f.Tenant == "" || f.Tenant == string(t) {
				v.Profiles[string(t)] += int64(n)
			}
		}
	}
}

func retentionSeconds(d time.Duration) float64 {
	if d == state.InheritRetention {
		return -1
	}
	return d.Seconds()
}

func (v *indexView) addTenant(t *state.TenantDescription, f *filterFlags) {
	if f.Tenant != "" && f.Tenant != string(t.Name) {
		return
	}
	x := tenantView{Tenant: string(t.Name), Retention: retentionSeconds(t.Retention), Settings: map[string]string{}, HorizonEpoch: t.HorizonEpoch}
	for _, s := range t.Settings {
		x.Settings[s.Name] = s.Value
	}
	if t.HorizonEpoch > 0 {
		x.HorizonHour = t.HorizonHour.String()
	}
	v.Tenants = append(v.Tenants, x)
	for _, h := range t.Hours {
		for _, e := range h.Epochs {
			if f.place(t.Name, h.Hour) && (f.Service == "" || f.Service == e.Key.Service) {
				v.Epochs = append(v.Epochs, epochView{string(t.Name), e.Key.Service, h.Hour.String(), e.Value})
			}
		}
	}
}

func newJobView(j *state.JobDescription) jobView {
	v := jobView{
		ID: j.ID.String(), Tenant: string(j.Tenant), Hour: j.Hour.String(), Level: j.Level, Inputs: []string{}, Bytes: j.Bytes, State: jobStateText(j),
		Worker: j.Worker, Token: j.Token, Since: j.Since.String(), Attempts: j.Attempts, Failures: j.Failures, Reason: j.Reason,
	}
	if j.LeaseEnd != 0 {
		v.LeaseEnd = j.LeaseEnd.String()
	}
	for _, id := range j.Inputs {
		v.Inputs = append(v.Inputs, id.String())
	}
	return v
}

func fateViews(list []state.FateDescription) []fateView {
	out := []fateView{}
	for _, x := range list {
		out = append(out, fateView{x.ID.String(), x.Verdict, x.Token})
	}
	return out
}
