package metastore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Replacement is what ReplaceParts takes.
type Replacement = state.ReplaceParts

// ReplaceResult is what ReplaceParts answers.
type ReplaceResult = state.ReplaceResult

// PartRef names a live part.
type PartRef = state.PartRef

// Setting is one of a tenant's settings.
type Setting = state.Setting

// InheritRetention is the retention of a tenant that has none of its own.
const InheritRetention = state.InheritRetention

// What SetTenant accepts.
const (
	MaxSettings     = 256
	MaxSettingBytes = 64 << 10 // of a name or value
)

// AddSegment makes a stored segment visible to queries. It is idempotent by the
// segment's id, which is remembered for state.FateWindow; an id older than that,
// of which nothing is known any more, is answered with WasAborted.
//
// A refusal is no error: see warehouse.AddResult. A segment that contradicts
// itself is an Invalid error, one that is too large for a command a Limit error.
func (m *Metastore) AddSegment(ctx context.Context, seg *warehouse.Segment) (warehouse.AddResult, error) {
	if err := seg.Validate(); err != nil {
		return warehouse.AddResult{}, err
	}
	answer, err := any(warehouse.AddResult{Outcome: warehouse.WasAborted}), error(nil)
	if !m.isForgotten(seg.ID) {
		answer, err = m.take(ctx, state.AddSegment{Segment: seg})
	}
	if err != nil {
		return warehouse.AddResult{}, err
	}
	result := answer.(warehouse.AddResult)
	if result.Outcome == warehouse.Added {
		m.metrics.ingestedBytes.Add(float64(seg.Size))
	}
	m.metrics.addOutcomes.WithLabelValues(result.Outcome.String()).Inc()
	return result, nil
}

// isForgotten reports whether an id is so old that the state may have forgotten what
// became of it, and is not live. The clock is that of commands: see propose.
func (m *Metastore) isForgotten(id warehouse.ObjectID) bool {
	if m.opts.Clock().Sub(time.UnixMilli(int64(id.Time()))) <= state.FateWindow {
		return false
	}
	_, known := m.fsm.view.Load().Objects()[id]
	return !known
}

// AbortSegment makes sure that a segment whose registration got no answer never
// becomes live. If it had been added, live is true and it stays.
func (m *Metastore) AbortSegment(ctx context.Context, id warehouse.ObjectID) (live bool, err error) {
	answer, err := m.take(ctx, state.AbortSegment{ID: id})
	if err != nil {
		return false, err
	}
	return answer.(bool), nil
}

// ReplaceParts swaps parts for others in one step, as compaction does. It is
// idempotent by the replacement's ID. A refusal is no error: see ReplaceResult.
func (m *Metastore) ReplaceParts(ctx context.Context, r Replacement) (ReplaceResult, error) {
	if r.ID == (warehouse.ObjectID{}) || len(r.Remove) == 0 {
		return ReplaceResult{}, warehouse.Errorf(warehouse.Invalid, "replace parts: it has no id or removes nothing")
	}
	for i := range r.Add {
		if err := r.Add[i].Validate(); err != nil {
			return ReplaceResult{}, err
		}
	}
	r.Remove = slices.SortedFunc(slices.Values(r.Remove), func(a, b PartRef) int {
		return cmp.Or(strings.Compare(string(a.Tenant), string(b.Tenant)), cmp.Compare(a.Hour, b.Hour), a.Object.Compare(b.Object))
	})
	answer, err := m.take(ctx, r)
	if err != nil {
		return ReplaceResult{}, err
	}
	return answer.(ReplaceResult), nil
}

// SetTenant replaces all settings of a tenant, which makes the tenant known.
func (m *Metastore) SetTenant(ctx context.Context, t warehouse.Tenant, settings []Setting) error {
	if _, err := warehouse.ParseTenant(string(t)); err != nil {
		return err
	}
	sorted := slices.SortedFunc(slices.Values(settings), func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	if len(sorted) > MaxSettings {
		return warehouse.Errorf(warehouse.Limit, "set tenant %s: %d settings, the limit is %d", t, len(sorted), MaxSettings)
	}
	for i, s := range sorted {
		switch {
		case s.Name == "" || i > 0 && sorted[i-1].Name == s.Name:
			return warehouse.Errorf(warehouse.Invalid, "set tenant %s: setting %q is there twice or has no name", t, s.Name)
		case len(s.Name) > MaxSettingBytes || len(s.Value) > MaxSettingBytes:
			return warehouse.Errorf(warehouse.Limit, "set tenant %s: setting %.40q is over %d bytes", t, s.Name, MaxSettingBytes)
		}
	}
	_, err := m.take(ctx, state.SetTenant{Tenant: t, Settings: sorted})
	return err
}

// SetRetention says how long a tenant's data is kept: 0 is for ever, and
// InheritRetention as long as Options.Retention says.
func (m *Metastore) SetRetention(ctx context.Context, t warehouse.Tenant, keep time.Duration) error {
	if _, err := warehouse.ParseTenant(string(t)); err != nil {
		return err
	}
	if keep < 0 && keep != InheritRetention {
		return warehouse.Errorf(warehouse.Invalid, "set retention of tenant %s: %s is negative", t, keep)
	}
	_, err := m.take(ctx, state.SetRetention{Tenant: t, Retention: keep})
	return err
}

// Retention returns how long the tenant's data is kept, as this node knows; 0 is
// for ever.
func (m *Metastore) Retention(t warehouse.Tenant) time.Duration {
	return m.fsm.view.Load().Retention(t)
}

// take proposes a caller's command, if the node leads. One that must not be lost with
// the directory is in a manifest when it is answered; if that could not be written,
// the error is Unavailable, as for every command that may be sent again.
func (m *Metastore) take(ctx context.Context, cmd state.Command) (any, error) {
	if err := m.Ready(ctx); err != nil {
		return nil, err
	}
	answer, err := m.propose(ctx, cmd)
	if err == nil && m.hasManifests() && cmd.Kind().IsDurableInManifest() {
		err = m.saveManifest(ctx)
	}
	return answer, err
}
