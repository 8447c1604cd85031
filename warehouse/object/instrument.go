package object

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Instrument returns b with metrics of what is asked of it, registered with reg
// (nil keeps them unregistered). Files that others read in place through
// LocalPath are not seen.
func Instrument(b Bucket, reg prometheus.Registerer) Bucket {
	return &instrumented{Bucket: b, metrics: newMetrics(reg)}
}

type instrumented struct {
	Bucket
	metrics *metrics
}

// metrics are a bucket's instruments. Labels are bounded: operation has five
// values, kind those of warehouse.Kind, direction two.
type metrics struct {
	operations *prometheus.CounterVec
	errors     *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	bytes      *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		operations: f.NewCounterVec(prometheus.CounterOpts{
			Name: "stackhouse_bucket_operations_total",
			Help: "Operations on the bucket that ended, failed ones included.",
		}, []string{"operation"}),
		errors: f.NewCounterVec(prometheus.CounterOpts{
			Name: "stackhouse_bucket_errors_total",
			Help: "Operations on the bucket that failed, by kind of error.",
		}, []string{"operation", "kind"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "stackhouse_bucket_operation_seconds",
			Help:    "Time that operations on the bucket took, failed ones included.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 10), // 0.1 ms to 26 s
		}, []string{"operation"}),
		bytes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "stackhouse_bucket_bytes_total",
			Help: "Bytes of objects written and read.",
		}, []string{"direction"}),
	}
}

// observe counts an operation that started at start and ended now.
func (m *metrics) observe(operation string, start time.Time, err error) {
	m.operations.WithLabelValues(operation).Inc()
	m.seconds.WithLabelValues(operation).Observe(time.Since(start).Seconds())
	if err != nil {
		m.errors.WithLabelValues(operation, warehouse.KindOf(err).String()).Inc()
	}
}

// Put implements [Bucket].
func (i *instrumented) Put(ctx context.Context, name string, data []byte) error {
	start := time.Now()
	err := i.Bucket.Put(ctx, name, data)
	i.metrics.observe("put", start, err)
	if err == nil {
		i.metrics.bytes.WithLabelValues("written").Add(float64(len(data)))
	}
	return err
}

// Read implements [Bucket].
func (i *instrumented) Read(ctx context.Context, name string, off, n int64) ([]byte, error) {
	start := time.Now()
	data, err := i.Bucket.Read(ctx, name, off, n)
	i.metrics.observe("read", start, err)
	i.metrics.bytes.WithLabelValues("read").Add(float64(len(data)))
	return data, err
}

// Stat implements [Bucket].
func (i *instrumented) Stat(ctx context.Context, name string) (Attrs, error) {
	start := time.Now()
	attrs, err := i.Bucket.Stat(ctx, name)
	i.metrics.observe("stat", start, err)
	return attrs, err
}

// List implements [Bucket]. Its time includes that of fn, its errors do not
// include fn's.
func (i *instrumented) List(ctx context.Context, prefix string, fn func(Attrs) error) error {
	start := time.Now()
	var stopped error
	err := i.Bucket.List(ctx, prefix, func(a Attrs) error {
		stopped = fn(a)
		return stopped
	})
	if stopped != nil {
		i.metrics.observe("list", start, nil)
		return err
	}
	i.metrics.observe("list", start, err)
	return err
}

// Delete implements [Bucket].
func (i *instrumented) Delete(ctx context.Context, name string) error {
	start := time.Now()
	err := i.Bucket.Delete(ctx, name)
	i.metrics.observe("delete", start, err)
	return err
}
