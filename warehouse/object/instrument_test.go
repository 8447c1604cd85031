package object_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse/object"
	"github.com/stackhouse-db/stackhouse/warehouse/object/objecttest"
)

func TestInstrument(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	faulty := objecttest.NewFaulty(object.NewMemory(), objecttest.FaultPlan{
		Rules: []objecttest.Rule{{Op: objecttest.OpPut, Fault: objecttest.FailAfter, Nth: 2}},
	})
	b := object.Instrument(faulty, reg)
	require.NoError(t, b.Put(t.Context(), "a", []byte("12345")))
	require.Error(t, b.Put(t.Context(), "a", []byte("12345")))
	_, err := b.Read(t.Context(), "a", 1, 2)
	require.NoError(t, err)
	_, err = b.Read(t.Context(), "b", 0, -1)
	require.Error(t, err)
	_, err = b.Stat(t.Context(), "b")
	require.Error(t, err)
	require.NoError(t, b.Delete(t.Context(), "b"))
	stop := errors.New("stop")
	require.Equal(t, stop, b.List(t.Context(), "", func(object.Attrs) error { return stop }))
	require.Error(t, b.List(t.Context(), "/", nil))

	got := map[string]float64{}
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		require.True(t, strings.HasPrefix(f.GetName(), "stackhouse_bucket_"), f.GetName())
		require.NotEmpty(t, f.GetHelp())
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			got[strings.TrimPrefix(f.GetName(), "stackhouse_bucket_")+" "+strings.Join(labels, " ")] =
				m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	require.Equal(t, map[string]float64{
		"operations_total put": 2, "operations_total read": 2, "operations_total stat": 1, "operations_total delete": 1, "operations_total list": 2,
		"operation_seconds put": 2, "operation_seconds read": 2, "operation_seconds stat": 1, "operation_seconds delete": 1, "operation_seconds list": 2,
		// Labels come in order of their names: kind, operation.
		"errors_total unavailable put": 1, "errors_total not found read": 1, "errors_total not found stat": 1, "errors_total invalid list": 1,
		"bytes_total written": 5, "bytes_total read": 2,
	}, got)
	require.NotPanics(t, func() { object.Instrument(faulty, nil) })
}
