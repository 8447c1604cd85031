package ingest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	whprofile "github.com/stackhouse-db/stackhouse/warehouse/profile"
)

// keeps is a Retention that keeps profiles of a service from a time on.
type keeps map[string]warehouse.Micros

func (k keeps) Oldest(_ warehouse.Tenant, service string, types []string) warehouse.Micros {
	if len(types) == 0 {
		panic("a profile without types")
	}
	return k[service]
}

// A profile that is older than what is kept of its service is refused with both times,
// and holds up nobody else.
func TestOldProfilesAreRefused(t *testing.T) {
	t.Parallel()
	oldest := warehouse.MicrosOf(at)
	r := newRig(t, func(o *Options) { o.Retention = keeps{"checkout": oldest} })
	push := func(service string, when time.Time) whprofile.Raw {
		return raw(service, pprofBody(t, when, map[string]int64{"read": 5}))
	}
	results := r.Push(t.Context(), "a", []whprofile.Raw{
		push("checkout", at.Add(-time.Microsecond)), push("checkout", at), push("cart", at.Add(-time.Hour)),
	})
	require.ErrorContains(t, results[0].Err, "its time "+(oldest-1).String()+" is before "+oldest.String()+`, from when on profiles of service "checkout" are kept`)
	require.Equal(t, warehouse.Invalid, warehouse.KindOf(results[0].Err))
	requireStored(t, results[1:])
	assert.EqualValues(t, 2, r.read(t).profiles)
	assert.Zero(t, r.budget.used())
}
