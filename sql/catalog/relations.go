package catalog

import "slices"

// Columns that several relations have.
var (
	timeColumn    = Column{Name: "time", Type: timestamp, Comment: "start of the profile, to the microsecond"}
	serviceColumn = Column{Name: "service_name", Type: text, Comment: "label service_name of the series"}
	typeColumn    = Column{Name: "profile_type", Type: text,
		Comment: "name:sample type:sample unit:period type:period unit, such as process_cpu:cpu:nanoseconds:cpu:nanoseconds"}
	seriesColumn  = Column{Name: "series_id", Type: bigint, Comment: "joins series.series_id: the labels"}
	profileColumn = Column{Name: "profile_id", Type: uuid, Comment: "joins profiles.profile_id: the profile the sample came in"}
	labelsColumn  = Column{Name: "labels", Type: labelMap, Comment: "all labels of the series, as in labels['pod']"}
)

var sampleColumns = []Column{
	timeColumn,
	serviceColumn,
	typeColumn,
	seriesColumn,
	{Name: "stacktrace_id", Type: bigint, Comment: "joins stacktraces.stacktrace_id: the functions"},
	profileColumn,
	{Name: "span_id", Type: text, Nullable: true, Comment: "span of the trace that was running, 16 hex digits; NULL unless the sample carried one"},
	{Name: "trace_id", Type: text, Nullable: true, Comment: "trace that was running, 32 hex digits; NULL unless the sample carried one"},
	{Name: "attributes_id", Type: bigint, Nullable: true, Comment: "reserved; NULL"},
	{Name: "value", Type: bigint, Comment: "measured amount in the sample unit of profile_type, greater than 0"},
}

var profileColumns = []Column{
	timeColumn,
	serviceColumn,
	typeColumn,
	seriesColumn,
	{Name: "profile_id", Type: uuid, Comment: "joins samples.profile_id; shared by the series that one received profile is split into"},
	{Name: "duration_ns", Type: bigint, Comment: "time measured, in nanoseconds; 0 when the profile does not say"},
	{Name: "period", Type: bigint, Comment: "distance of two measurements, in the period unit of profile_type"},
	{Name: "value", Type: bigint, Comment: "sum of the values of its samples, in the sample unit of profile_type"},
	{Name: "samples", Type: integer, Comment: "number of its rows in samples"},
	{Name: "received", Type: timestamp, Comment: "when the server received it"},
	{Name: "flags", Type: integer, Comment: "what was cut, a sum of: 1 stack depth, 2 symbol length, 4 values dropped, 8 sampled"},
}

// relations are sorted by name.
var relations = []Relation{
	{
		Name: "labeled_profiles", Kind: View,
		Comment: "profiles with the labels of their series",
		Columns: append(slices.Clip(profileColumns), labelsColumn),
		Definition: `SELECT p."time", p.service_name, p.profile_type, p.series_id, p.profile_id, p.duration_ns, p.period, p.value, p.samples, p.received, p.flags, s.labels
   FROM profiles p
     JOIN series s USING (series_id);`,
	},
	{
		Name: "labeled_samples", Kind: View,
		Comment: "samples with the labels of their series",
		Columns: append(slices.Clip(sampleColumns), labelsColumn),
		Definition: `SELECT m."time", m.service_name, m.profile_type, m.series_id, m.stacktrace_id, m.profile_id, m.span_id, m.trace_id, m.attributes_id, m.value, s.labels
   FROM samples m
     JOIN series s USING (series_id);`,
	},
	{
		Name: "profiles", Kind: Table,
		Comment: "one row for each profile received and series in it",
		Columns: profileColumns,
	},
	{
		Name: "samples", Kind: Table,
		Comment: "measured values: one row for each profile, series, stacktrace and span",
		Columns: sampleColumns,
	},
	{
		Name: "series", Kind: Table,
		Comment: "one row for each series: a profile type and a set of labels",
		Columns: []Column{
			{Name: "series_id", Type: bigint, Comment: "hash of profile type and labels; joins samples.series_id and profiles.series_id"},
			serviceColumn,
			typeColumn,
			labelsColumn,
		},
	},
	{
		Name: "stacktraces", Kind: Table,
		Comment: "one row for each stacktrace: parallel lists of its frames, leaf first",
		Columns: []Column{
			{Name: "stacktrace_id", Type: bigint, Comment: "hash of the frames; joins samples.stacktrace_id"},
			{Name: "functions", Type: textArray, Comment: "names of the functions: [1] is the leaf, [-1] the root"},
			{Name: "system_names", Type: textArray, Comment: "names of the functions as the linker knows them"},
			{Name: "filenames", Type: textArray, Comment: "source files of the functions"},
			{Name: "lines", Type: bigintArray, Comment: "lines that were running; 0 when not known"},
			{Name: "start_lines", Type: bigintArray, Comment: "lines where the functions start; 0 when not known"},
			{Name: "mappings", Type: textArray, Comment: "binaries or libraries that the frames are in"},
			{Name: "build_ids", Type: textArray, Comment: "build ids of the mappings, from the first profile that had the stacktrace"},
			{Name: "addresses", Type: bigintArray, Comment: "addresses of the frames; those above 2^63 - 1 are negative"},
			{Name: "inlined", Type: boolArray, Comment: "whether a function was inlined into the next one"},
		},
	},
}
