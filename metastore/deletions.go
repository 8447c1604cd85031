package metastore

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// DeleteResult is what Delete answers.
type DeleteResult = state.DeleteResult

// What Delete accepts.
const (
	MaxDeletionSeries   = 1 << 17 // series of a deletion that names them
	MaxDeletionServices = 1 << 12 // services or types of a deletion
)

// Delete hides rows from every snapshot from now on and has them removed: those that
// were registered before it. It gives the deletion its id if it has none, and is
// idempotent by that.
//
// Errors: Invalid for a deletion that contradicts itself, Limit for one that names too
// much and for a tenant that has too many unfinished ones, Exists for an id that
// another tenant's deletion has.
func (m *Metastore) Delete(ctx context.Context, d *warehouse.Deletion) (DeleteResult, error) {
	if d.ID == (warehouse.ObjectID{}) {
		d.ID = ulid.MustNew(ulid.Timestamp(m.opts.Clock()), ulid.DefaultEntropy())
	}
	if err := d.Validate(); err != nil {
		return DeleteResult{}, err
	}
	switch {
	case len(d.Series) > MaxDeletionSeries:
		return DeleteResult{}, warehouse.Errorf(warehouse.Limit, "delete: it is about %d series, the limit is %d: delete less at a time, or by service and time", len(d.Series), MaxDeletionSeries)
	case max(len(d.Services), len(d.Types)) > MaxDeletionServices:
		return DeleteResult{}, warehouse.Errorf(warehouse.Limit, "delete: it is about %d services and %d types, the limit is %d: delete less at a time", len(d.Services), len(d.Types), MaxDeletionServices)
	}
	answer, err := m.take(ctx, state.Delete{Deletion: d})
	if err != nil {
		return DeleteResult{}, err
	}
	r := answer.(state.DeleteResult)
	switch r.Outcome {
	case state.TooManyDeletions:
		return r, warehouse.Errorf(warehouse.Limit, "delete: %d deletions of tenant %s are not finished: wait until some are", state.MaxDeletions, d.Tenant)
	case state.DeletionClashes:
		return r, warehouse.Errorf(warehouse.Exists, "delete: the id %s is in use", d.ID)
	}
	m.metrics.deletions.WithLabelValues(d.Reason.String()).Inc()
	m.opts.Logger.Info("deleted", "deletion", d.ID, "tenant", d.Tenant, "reason", d.Reason, "index", r.Index, "dropped", r.Dropped, "masked", r.Masked)
	return r, nil
}

// DeletionInfo is a deletion as an operator sees it.
type DeletionInfo struct {
	*warehouse.Deletion

	AppliedAt warehouse.Micros // when no live part held its rows any more; 0: not yet
	GoneAt    warehouse.Micros // when no object in the bucket did; 0: not yet
	Parts     int              // live parts that hold some of its rows
	Bytes     int64            // of these and of dead objects that did and are not deleted yet
}

// DeletionInfos returns what is remembered of a tenant's deletions, in order of the log.
func (s *Snapshot) DeletionInfos(t warehouse.Tenant) []DeletionInfo {
	var out []DeletionInfo
	for _, d := range s.view.Deletions() {
		if d.Tenant != t {
			continue
		}
		info := DeletionInfo{Deletion: &d.Deletion, AppliedAt: d.AppliedAt, GoneAt: d.GoneAt}
		info.Parts, info.Bytes = s.view.Left(d)
		out = append(out, info)
	}
	return out
}

// RetentionRule says how long profiles of a service, a type or both are kept.
type RetentionRule = state.RetentionRule

// SetRetentionRule sets how long a tenant's profiles of a service, of a type, or of
// both are kept; 0 is for ever, and InheritRetention takes the rule back.
//
// Errors: Invalid for a rule about nothing, a type that is none, or a negative time;
// Limit for a tenant that has too many rules.
func (m *Metastore) SetRetentionRule(ctx context.Context, t warehouse.Tenant, r RetentionRule) error {
	if _, err := warehouse.ParseTenant(string(t)); err != nil {
		return err
	}
	switch {
	case r.Service == "" && r.Type == "":
		return warehouse.Errorf(warehouse.Invalid, "set retention of tenant %s: the rule names neither a service nor a type", t)
	case len(r.Service) > MaxSettingBytes:
		return warehouse.Errorf(warehouse.Limit, "set retention of tenant %s: the service is over %d bytes", t, MaxSettingBytes)
	case r.Keep < 0 && r.Keep != InheritRetention:
		return warehouse.Errorf(warehouse.Invalid, "set retention of tenant %s: %s is negative", t, r.Keep)
	}
	if r.Type != "" {
		if _, err := warehouse.ParseProfileType(r.Type); err != nil {
			return warehouse.Errorf(warehouse.Invalid, "set retention of tenant %s: type: %w", t, err)
		}
	}
	answer, err := m.take(ctx, state.SetRetentionRule{Tenant: t, Rule: r})
	if err != nil {
		return err
	}
	if tooMany := answer.(bool); tooMany {
		return warehouse.Errorf(warehouse.Limit, "set retention of tenant %s: it has %d rules, the limit", t, state.MaxRetentionRules)
	}
	return nil
}

// RetentionInfo is all that says how long a tenant's profiles are kept.
type RetentionInfo struct {
	Default time.Duration // of tenants without their own; 0 is for ever
	Own     time.Duration // of the tenant, or InheritRetention
	Rules   []RetentionRule
}

// RetentionInfo returns what was set for the tenant.
func (s *Snapshot) RetentionInfo(t warehouse.Tenant) RetentionInfo {
	return RetentionInfo{Default: s.view.DefaultRetention(), Own: s.view.OwnRetention(t), Rules: s.view.RetentionRules(t)}
}

// Oldest returns the time of the oldest profile that is accepted of a service and
// types, the one that is kept for longest counting; 0 means that all are.
func (m *Metastore) Oldest(t warehouse.Tenant, service string, types []string) warehouse.Micros {
	v := m.fsm.view.Load()
	var longest time.Duration
	for _, typ := range types {
		keep := v.RetentionOf(t, service, typ)
		if keep <= 0 {
			return 0
		}
		longest = max(longest, keep)
	}
	if longest == 0 {
		return 0
	}
	return max(m.now()-warehouse.Micros(longest.Microseconds()), warehouse.MinTime)
}
