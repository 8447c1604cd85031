package main

import (
	"context"
	"slices"

	"github.com/stackhouse-db/stackhouse/api"
	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/sql/statement"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// administration joins what the API's admin endpoints need.
type administration struct {
	meta      *metastore.Metastore
	questions *query.Service
}

// Delete implements api.Admin. The selector is resolved now: to services and types if
// these decide, else to series.
func (a administration) Delete(ctx context.Context, t warehouse.Tenant, r api.DeleteRequest) (out api.DeleteAnswer, err error) {
	extent, err := a.questions.Extent(ctx, t, r.Matchers, warehouse.TimeRange{From: r.From, To: r.To - 1})
	if err != nil {
		return out, err
	}
	out = api.DeleteAnswer{Series: len(extent.Series), Profiles: extent.Profiles, Rows: extent.Samples, Bytes: extent.Bytes}
	if r.DryRun {
		return out, nil
	}
	if out.Series == 0 {
		return a.deletedBefore(ctx, t, r.ID, out)
	}
	d := &warehouse.Deletion{
		ID: r.ID, Tenant: t, From: r.From, To: r.To, Selector: r.Selector, Reason: warehouse.DeletedByOperator,
	}
	if slices.ContainsFunc(r.Matchers, func(m warehouse.Matcher) bool {
		return m.Name != warehouse.LabelService && !warehouse.IsDerivedLabel(m.Name)
	}) {
		d.Services, d.Types, d.Series = extent.Services, extent.Types, extent.Series
	}
	for _, m := range r.Matchers {
		if m.Name == warehouse.LabelService {
			d.Services = extent.Services
		} else if warehouse.IsDerivedLabel(m.Name) {
			d.Types = extent.Types
		}
	}
	if _, err := a.meta.Delete(ctx, d); err != nil {
		return out, err
	}
	out.ID = d.ID
	return out, nil
}

// deletedBefore answers a request that finds nothing: it may be one that was made
// again.
func (a administration) deletedBefore(ctx context.Context, t warehouse.Tenant, id warehouse.ObjectID, out api.DeleteAnswer) (api.DeleteAnswer, error) {
	if id == (warehouse.ObjectID{}) {
		return out, nil
	}
	all, err := a.Deletions(ctx, t)
	if slices.ContainsFunc(all, func(d api.DeletionStatus) bool { return d.ID == id }) {
		out.ID = id
	}
	return out, err
}

// Deletions implements api.Admin.
func (a administration) Deletions(ctx context.Context, t warehouse.Tenant) ([]api.DeletionStatus, error) {
	snap, err := a.meta.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Release()
	var out []api.DeletionStatus
	for _, d := range (snapshot{Snapshot: snap}).DeletionList(t) {
		out = append(out, deletionStatus(&d))
	}
	return out, nil
}

func deletionStatus(d *statement.Deletion) api.DeletionStatus {
	return api.DeletionStatus{Deletion: d.Deletion, State: d.State(), Parts: d.Parts, Bytes: d.Bytes, AppliedAt: d.AppliedAt, GoneAt: d.GoneAt}
}

// Retention implements api.Admin.
func (a administration) Retention(ctx context.Context, t warehouse.Tenant) (out api.Retention, err error) {
	snap, err := a.meta.Snapshot(ctx)
	if err != nil {
		return out, err
	}
	defer snap.Release()
	info := snap.RetentionInfo(t)
	out = api.Retention{Default: info.Default, Tenant: info.Own}
	for _, r := range info.Rules {
		out.Rules = append(out.Rules, api.RetentionRule(r))
	}
	return out, nil
}

// Both folders say the same.
var _ = [1]struct{}{}[api.InheritRetention-metastore.InheritRetention]

// SetRetention implements api.Admin.
func (a administration) SetRetention(ctx context.Context, t warehouse.Tenant, r api.RetentionRule) error {
	if r.Service == "" && r.Type == "" {
		return a.meta.SetRetention(ctx, t, r.Keep)
	}
	return a.meta.SetRetentionRule(ctx, t, metastore.RetentionRule(r))
}
