package space

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are the instruments of a [Guard]. Their label has the names of its disks.
type metrics struct {
	free, total, state *prometheus.GaugeVec
	refused            prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	gauge := func(name, help string) *prometheus.GaugeVec {
		return f.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"disk"})
	}
	return &metrics{
		free:  gauge("stackhouse_disk_free_bytes", "Bytes that are free on a disk, for who is not root."),
		total: gauge("stackhouse_disk_size_bytes", "Bytes of a disk."),
		state: gauge("stackhouse_disk_state", "How full a disk is: 0 ok, 1 low, 2 full, which refuses pushes."),
		refused: f.NewCounter(prometheus.CounterOpts{
			Name: "stackhouse_disk_refused_pushes_total", Help: "Requests with profiles that were refused because a disk is full.",
		}),
	}
}

func (m *metrics) observe(s *Status) {
	m.free.WithLabelValues(s.Name).Set(float64(s.Free))
	m.total.WithLabelValues(s.Name).Set(float64(s.Total))
	m.state.WithLabelValues(s.Name).Set(float64(s.State))
}
