package catalog

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLabels(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"select count(*), sum(value) as s, service_name from samples": {"count", "s", "service_name"},
		"SELECT version()": {"version"},
		"select pg_catalog.version(), s.labels['a'], 1":          {"version", "labels", noLabel},
		"select 'a'::text, 1::int, cast(x as bigint), 2::bigint": {"text", "int4", "x", "int8"},
		"select 1 + 2, -x, a || b, null, true":                   {noLabel, noLabel, noLabel, noLabel, "bool"},
		"select *, count(*) over () from samples":                {Star, "count"},
		"select s.*, x y, z \"Q w\" from s":                      {Star, "y", "Q w"},
		"with a as (select 1 as one) select one from a":          {"one"},
		"select distinct on (a, b) a, max(b) filter (where c)":   {"a", "max"},
		"select case when a then b else c end, case 1 end":       {"c", "case"},
		"select (select max(value) from samples), (1), (a)":      {"max", noLabel, "a"},
		"select time at time zone 'UTC', date '2000-01-01'":      {"timezone", "date"},
		"select array[1], array(select 1), exists(select 1)":     {"array", "array", "exists"},
		"select current_user, current_database()":                {"current_user", "current_database"},
		"select a from b union select c from d":                  {"a"},
		"select extract(epoch from time), x::timestamptz":        {"extract", "x"},
		"select x is distinct from y, z from s":                  {noLabel, "z"},
		"show x":                                                 nil,
		"":                                                       nil,
	} {
		require.Equal(t, want, Labels(text), text)
	}
}
