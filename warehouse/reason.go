package warehouse

// Reasons under which metrics count what was refused; see [Error]. The names are
// Pyroscope's, so that dashboards carry over.
const (
	ReasonMissingLabels    = "missing_labels"
	ReasonInvalidLabels    = "invalid_labels"
	ReasonDuplicateLabels  = "duplicate_label_names"
	ReasonTooManyLabels    = "max_label_names_per_series"
	ReasonLabelNameLong    = "label_name_too_long"
	ReasonLabelValueLong   = "label_value_too_long"
	ReasonSampleLabels     = "sample_labels_limit"
	ReasonSeriesLimit      = "series_limit"
	ReasonSamplesLimit     = "samples_limit"
	ReasonProfileSize      = "profile_size_limit"
	ReasonMalformedProfile = "malformed_profile"
	ReasonNotInWindow      = "not_in_ingestion_window"

	ReasonDiskFull = "disk_full" // ours: of requests, whatever is in them
)
