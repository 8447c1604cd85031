package query

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// warmWorld has two hours of each of two tenants, one part an hour, each with a
// stacktrace of its own.
func warmWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	for i, tenant := range []warehouse.Tenant{tenantA, tenantB} {
		for hour := range 2 {
			w.store(1, []fact{{
				tenant: tenant, series: seriesOf(cpu, "api"), id: profileID(10*i + hour),
				time:    hour0.Start() + warehouse.Micros(hour)*warmRange,
				samples: []sampleFact{{stack: w.stack("main", fmt.Sprint(tenant, hour)), value: 1}},
			}}, func() bool { return true })
		}
	}
	return w
}

// TestWarm: what the newest hour of every tenant defines is in memory after it,
// older hours are not, and there is a bound.
func TestWarm(t *testing.T) {
	t.Parallel()
	tenants := []warehouse.Tenant{tenantA, tenantB}
	ask := func(s *Service, tenant warehouse.Tenant, hour warehouse.Hour) error {
		_, err := s.Tree(t.Context(), Selection{
			Tenant: tenant, Type: cpu, Matchers: matchers(t, "{}"),
			Range: warehouse.TimeRange{From: hour.Start(), To: hour.End() - 1},
		})
		return err
	}
	t.Run("all", func(t *testing.T) {
		t.Parallel()
		s := warmWorld(t).service(Options{})
		stacks, err := s.Warm(t.Context(), append(tenants, "without-profiles"))
		require.NoError(t, err)
		require.Equal(t, int64(4), stacks, "an hour back from a profile at the start of an hour is two hours")
		s.opts.Sections = noStacks{s.opts.Sections}
		require.NoError(t, ask(s, tenantA, hour0+1))
		require.NoError(t, ask(s, tenantB, hour0+1))
	})
	t.Run("bounded", func(t *testing.T) {
		t.Parallel()
		s := warmWorld(t).service(Options{})
		s.manyStacks = 3
		stacks, err := s.Warm(t.Context(), tenants)
		require.NoError(t, err)
		require.Equal(t, int64(3), stacks)
		s.opts.Sections = noStacks{s.opts.Sections}
		require.NoError(t, ask(s, tenantA, hour0))
		require.NoError(t, ask(s, tenantB, hour0+1))
		require.ErrorContains(t, ask(s, tenantB, hour0), "read stacktraces", "the newest come first")
	})
	t.Run("nothing stored", func(t *testing.T) {
		t.Parallel()
		stacks, err := newWorld(t).service(Options{}).Warm(t.Context(), tenants)
		require.NoError(t, err)
		require.Zero(t, stacks)
	})
	t.Run("cannot be read", func(t *testing.T) {
		t.Parallel()
		s := warmWorld(t).service(Options{})
		s.opts.Sections = noStacks{s.opts.Sections}
		_, err := s.Warm(t.Context(), tenants)
		require.ErrorContains(t, err, "read stacktraces")
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := warmWorld(t).service(Options{}).Warm(ctx, tenants)
		require.Equal(t, warehouse.Canceled, warehouse.KindOf(err))
	})
}
