package profile

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// labels makes a list of labels in the order given.
func labels(pairs ...string) []warehouse.Label {
	var out []warehouse.Label
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, warehouse.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return out
}

func TestStoredLabels(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		sent []warehouse.Label
		want warehouse.Labels
	}{
		{"none", nil, warehouse.LabelsOf("service_name", "unknown_service")},
		{"sorted", labels("z", "1", "service_name", "s", "a", "2"), warehouse.LabelsOf("a", "2", "service_name", "s", "z", "1")},
		{"service is put in its place", labels("z", "1", "a", "2"), warehouse.LabelsOf("a", "2", "service_name", "unknown_service", "z", "1")},
		{"empty service", labels("service_name", ""), warehouse.LabelsOf("service_name", "unknown_service")},
		{"empty values mean none", labels("a", "", "service_name", "s"), warehouse.LabelsOf("service_name", "s")},
		{"identical repetitions", labels("a", "1", "service_name", "s", "a", "1"), warehouse.LabelsOf("a", "1", "service_name", "s")},
		{
			"derived labels", labels("__name__", "x", "__type__", "a", "__unit__", "b", "__period_type__", "c", "__period_unit__", "d", "__profile_type__", "e", "service_name", "s"),
			warehouse.LabelsOf("service_name", "s"),
		},
		{"session and delta", labels("__session_id__", "17a", "__delta__", "false", "service_name", "s"), warehouse.LabelsOf("service_name", "s")},
		{"other reserved labels", labels("__otel__", "true", "service_name", "s"), warehouse.LabelsOf("__otel__", "true", "service_name", "s")},
		{"dots and any language", labels("k8s.pod", "größe", "größe", "日本", "service_name", "s"), warehouse.LabelsOf("k8s.pod", "größe", "größe", "日本", "service_name", "s")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lim := DefaultLimits()
			canonical, err := canonicalLabels(nil, tt.sent, &lim)
			require.NoError(t, err)
			assert.Equal(t, tt.want, storedLabels(canonical))
		})
	}
}

func TestLabelsRefuse(t *testing.T) {
	t.Parallel()
	var many []warehouse.Label
	for i := range 31 {
		many = append(many, warehouse.Label{Name: strings.Repeat("n", i+1), Value: "v"})
	}
	tests := []struct {
		name   string
		sent   []warehouse.Label
		reason string
	}{
		{"no name", labels("", "v"), warehouse.ReasonInvalidLabels},
		{"long name", labels(strings.Repeat("n", 1025), "v"), warehouse.ReasonLabelNameLong},
		{"long value", labels("n", strings.Repeat("v", 2049)), warehouse.ReasonLabelValueLong},
		{"long name without value", labels(strings.Repeat("n", 1025), ""), warehouse.ReasonLabelNameLong},
		{"name not UTF-8", labels("\xff", "v"), warehouse.ReasonInvalidLabels},
		{"value not UTF-8", labels("n", "\xff"), warehouse.ReasonInvalidLabels},
		{"two values", labels("n", "1", "m", "1", "n", "2"), warehouse.ReasonDuplicateLabels},
		{"too many", many, warehouse.ReasonTooManyLabels},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lim := DefaultLimits()
			_, err := canonicalLabels(nil, tt.sent, &lim)
			require.Error(t, err)
			assert.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
			assert.Equal(t, tt.reason, warehouse.ReasonOf(err))
		})
	}
	lim := DefaultLimits()
	_, err := canonicalLabels(nil, many[:30], &lim)
	require.NoError(t, err, "as many as allowed")
	_, err = canonicalLabels(nil, labels(strings.Repeat("n", 1024), strings.Repeat("v", 2048)), &lim)
	require.NoError(t, err, "as long as allowed")
}

func TestNameOfTypes(t *testing.T) {
	t.Parallel()
	block := map[string]SampleTypeConfig{"contentions": {DisplayName: "block_count"}, "delay": {DisplayName: "block_duration"}}
	tests := []struct {
		name   string
		types  []string
		config map[string]SampleTypeConfig
		want   string
	}{
		{"Go CPU", []string{"samples", "cpu"}, DefaultSampleTypes(), "process_cpu"},
		{"Go CPU, nothing configured", []string{"samples", "cpu"}, nil, "process_cpu"},
		{"Go heap", []string{"alloc_objects", "alloc_space", "inuse_objects", "inuse_space"}, DefaultSampleTypes(), "memory"},
		{"goroutines", []string{"goroutine"}, map[string]SampleTypeConfig{"goroutine": {DisplayName: "goroutines", Aggregation: "average"}}, "goroutines"},
		{"goroutine without a display name", []string{"goroutine"}, map[string]SampleTypeConfig{}, "goroutine"},
		{"goroutine leaks", []string{"goroutineleak"}, map[string]SampleTypeConfig{"goroutineleak": {DisplayName: "goroutine_leak"}}, "goroutine_leak"},
		{"mutex", []string{"contentions", "delay"}, DefaultSampleTypes(), "mutex"},
		{"block", []string{"contentions", "delay"}, block, "block"},
		{"wall wins", []string{"cpu", "wall"}, DefaultSampleTypes(), "wall"},
		{"Node heap", []string{"objects", "space"}, nil, "memory"},
		{"unknown", []string{"requests", "latency"}, nil, "latency"},
		{"unknown before known", []string{"requests", "cpu"}, nil, "process_cpu"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, nameOfTypes(tt.types, tt.config))
		})
	}
}

func TestCutText(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "größe", cutText("größe", 7))
	assert.Equal(t, "größ", cutText("größe", 6))
	assert.Equal(t, "grö", cutText("größe", 5))
	assert.Equal(t, "grö", cutText("größe", 4))
	assert.Equal(t, "gr", cutText("größe", 3))
	assert.Empty(t, cutText("日", 2))
}

func TestBaseName(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/bin/app": "app", "app": "app", "": "", "/bin/": "", "[vdso]": "[vdso]", `C:\bin\app.exe`: "app.exe", "/a/b (deleted)": "b (deleted)",
	} {
		assert.Equal(t, want, baseName(path), path)
	}
}

func TestParseIDs(t *testing.T) {
	t.Parallel()
	assert.Equal(t, warehouse.SpanID(0x0123456789abcdef), parseSpanID("0123456789abcdef"))
	assert.Equal(t, warehouse.SpanID(0xff), parseSpanID("00000000000000FF"))
	for _, s := range []string{"", "123", "0123456789abcdeg", "+123456789abcdef", "0x23456789abcdef", "0123456789abcdef0"} {
		assert.Zero(t, parseSpanID(s), s)
	}
	assert.Equal(t, warehouse.TraceID{0: 1, 15: 0xff}, parseTraceID("010000000000000000000000000000fF"))
	for _, s := range []string{"", "12", strings.Repeat("g", 32), strings.Repeat("1", 31)} {
		assert.Zero(t, parseTraceID(s), s)
	}
}
