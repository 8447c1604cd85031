package api

import (
	"strings"
	"testing"

	"github.com/grafana/pyroscope/api/model/labelset"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func TestParseAppName(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		service    string
		labels     warehouse.Labels
		err        string
	}{
		{"service only", "foo", "foo", nil, ""},
		{"empty braces", "foo{}", "foo", nil, ""},
		{"all characters", "Foo_1.b-ar/baz", "Foo_1.b-ar/baz", nil, ""},
		{"labels are sorted", "foo{b=2,a=1}", "foo", warehouse.LabelsOf("a", "1", "b", "2"), ""},
		{"spaces", " foo { bar = 1 , baz = 2 } ", "foo", warehouse.LabelsOf("bar", "1", "baz", "2"), ""},
		{"comma at the end", "foo{a=1,}", "foo", warehouse.LabelsOf("a", "1"), ""},
		{"value with everything else", "foo{a=x=\"y\" {z:/ü}", "foo", warehouse.LabelsOf("a", "x=\"y\" {z:/ü"), ""},
		{"empty value", "foo{a=,b=1}", "foo", warehouse.LabelsOf("b", "1"), ""},
		{"last one counts", "foo{a=1,a=2}", "foo", warehouse.LabelsOf("a", "2"), ""},
		{"dots", "foo{process.runtime.name=go,__session_id__=x}", "foo", warehouse.LabelsOf("process.runtime.name", "go", "__session_id__", "x"), ""},

		{"empty", "", "", nil, "no service"},
		{"blank", "  ", "", nil, "no service"},
		{"labels only", "{a=1}", "", nil, "no service"},
		{"bad service", "fo o", "", nil, "' '"},
		{"service with umlaut", "süß", "", nil, "'ü'"},
		{"not UTF-8", "foo{a=\xff}", "", nil, "UTF-8"},
		{"not closed", "foo{a=1", "", nil, "closing brace"},
		{"text behind", "foo{a=1}x", "", nil, `unexpected "x"`},
		{"comma in a value", "foo{a=1,2}", "", nil, `label "2" has no =`},
		{"no key", "foo{=1}", "", nil, "no key"},
		{"bad key", "foo{a-b=1}", "", nil, "'-'"},
		{"long", strings.Repeat("x", 64<<10+1), "", nil, "limit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseAppName(tt.text)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				require.ErrorContains(t, err, "parameter name")
				require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.service, got.Name)
			require.ElementsMatch(t, tt.labels, got.Labels)
		})
	}
}

func TestSeriesLabels(t *testing.T) {
	t.Parallel()
	l := func(pairs ...string) []warehouse.Label { return warehouse.LabelsOf(pairs...) }
	tests := []struct {
		name, app, spy string
		want           []warehouse.Label
	}{
		{"plain", "app{env=dev}", "gospy", l("__delta__", "false", "service_name", "app", "pyroscope_spy", "gospy", "env", "dev")},
		{"own service", "app{service_name=checkout}", "gospy", l("__delta__", "false", "service_name", "checkout", "app_name", "app", "pyroscope_spy", "gospy")},
		{"own service and app", "app{service_name=checkout,app_name=x}", "", l("__delta__", "false", "service_name", "checkout", "app_name", "app")},
		{"app_name alone is the client's", "app{app_name=x}", "", l("__delta__", "false", "service_name", "app", "app_name", "x")},
		{"ours are not settable", "app{__name__=x,__delta__=true,__profile_type__=y,__session_id__=s}", "", l("__delta__", "false", "service_name", "app", "__session_id__", "s")},
		{"spy wins", "app{pyroscope_spy=x}", "gospy", l("__delta__", "false", "service_name", "app", "pyroscope_spy", "gospy")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, err := parseAppName(tt.app)
			require.NoError(t, err)
			require.ElementsMatch(t, tt.want, a.series(tt.spy))
		})
	}
}

// FuzzParseAppName: no text panics; what is accepted is read the same by the
// reference's parser, and labels are such that no key of ours can be forged.
func FuzzParseAppName(f *testing.F) {
	for _, seed := range []string{"foo", "foo{}", "foo{a=1,b=2}", " foo { bar = 1 } ", "foo{a=1,}", "{", "}", "foo{=}", "foo{a=\xff}", "a/b-c.d_e{x=y=z}", "foo{a=1}}", "foo{,,}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAppName(text)
		if err != nil {
			require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
			return
		}
		ls, err := labelset.Parse(a.text())
		require.NoError(t, err)
		require.Equal(t, a.Name, ls.ServiceName())
		for _, l := range a.Labels {
			if l.Name != labelset.ReservedLabelNameName {
				require.Equal(t, l.Value, ls.Labels()[l.Name])
			}
		}
		again, err := parseAppName(a.text())
		require.NoError(t, err)
		require.Equal(t, a, again)

		seen := map[string]bool{}
		for _, l := range a.series("gospy") {
			require.False(t, seen[l.Name], "label %s twice", l.Name)
			seen[l.Name] = true
			require.False(t, warehouse.IsDerivedLabel(l.Name), l.Name)
		}
	})
}

// text writes a in its own grammar.
func (a appName) text() string {
	var b strings.Builder
	b.WriteString(a.Name + "{")
	for i, l := range a.Labels {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(l.Name + "=" + l.Value)
	}
	return b.String() + "}"
}
