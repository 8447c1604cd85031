package profile

import (
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Raw is one profile as received.
type Raw struct {
	// Labels are those of the request, in any order, including __name__. With
	// SampleTypes, __name__ may be absent and is then found from the sample types.
	Labels []warehouse.Label
	// ID is the client's UUID for the profile, or empty.
	ID string
	// Body is the pprof, gzip or plain. It is only read, and not kept.
	Body []byte
	// SampleTypes is /ingest's sample_type_config, or [DefaultSampleTypes] where
	// the request has none. It is nil for push.v1.
	SampleTypes map[string]SampleTypeConfig
	// Time is used when the body says none; zero means the time of receipt.
	Time time.Time
	// Duration is used when the body says none.
	Duration time.Duration
}

// SampleTypeConfig is what a client of /ingest says about one sample type. Only
// DisplayName has an effect: it decides the profile's __name__. Sample types keep
// the names and units they have in the pprof, and values are stored as sent.
type SampleTypeConfig struct {
	Units       string `json:"units,omitempty"`
	DisplayName string `json:"display-name,omitempty"`
	Aggregation string `json:"aggregation,omitempty"`
	Cumulative  bool   `json:"cumulative,omitempty"`
	Sampled     bool   `json:"sampled,omitempty"`
}

// DefaultSampleTypes returns the configuration of an /ingest request that brings
// none: the display names of Go's sample types that differ from the types.
func DefaultSampleTypes() map[string]SampleTypeConfig {
	return map[string]SampleTypeConfig{
		"samples":     {DisplayName: "cpu"},
		"goroutine":   {DisplayName: "goroutines"},
		"contentions": {DisplayName: "mutex_count"},
		"delay":       {DisplayName: "mutex_duration"},
	}
}
