package catalog

import "slices"

// systemPartColumns are those of a part of what is stored: a segment or a block.
var systemPartColumns = []Column{
	{Name: "object", Type: text, Comment: "id of the stored object"},
	{Name: "level", Type: integer, Comment: "0 a segment, 1 and 2 merged once and again, 3 final"},
	{Name: "hour", Type: timestamp, Comment: "start of the hour whose profiles it has"},
	{Name: "from", Type: timestamp, Comment: "time of its first profile"},
	{Name: "to", Type: timestamp, Comment: "time of its last profile"},
	{Name: "rows", Type: bigint, Comment: "number of its samples"},
	{Name: "bytes", Type: bigint, Comment: "size of what is stored of the tenant in it, in bytes"},
	{Name: "services", Type: textArray, Comment: "services that have profiles in it, sorted"},
	{Name: "created", Type: timestamp, Comment: "when the object was made, to the millisecond"},
	{Name: "state", Type: text, Comment: "ok, or damaged: its bytes are not as they were written"},
	{Name: "damage", Type: text, Nullable: true, Comment: "what is damaged, and how; NULL if nothing is known to be"},
	{Name: "verified_at", Type: timestamp, Nullable: true, Comment: "when all of its bytes were last compared with its checksums; NULL if never since it was made"},
}

// systemRelations are sorted by name. Their rows are those of the statement's
// snapshot, for the tenant who asks.
var systemRelations = []Relation{
	{
		Name: "blocks", System: true, Kind: Table,
		Comment: "one row for each block: what was merged of an hour",
		Columns: systemPartColumns,
	},
	{
		Name: "deletions", System: true, Kind: Table,
		Comment: "one row for each deletion; those that are done are kept for a while",
		Columns: []Column{
			{Name: "id", Type: text, Comment: "id of the deletion"},
			{Name: "selector", Type: text, Comment: "what was deleted, as who did wrote it; empty for rules of retention"},
			{Name: "services", Type: textArray, Comment: "services of which profiles are deleted, sorted; empty: all"},
			{Name: "types", Type: textArray, Comment: "profile types that are deleted, sorted; empty: all"},
			{Name: "series", Type: bigint, Nullable: true, Comment: "number of the series that are deleted; NULL: all of the services and types"},
			{Name: "from", Type: timestamp, Comment: "start of what is deleted, by the profiles' own time"},
			{Name: "to", Type: timestamp, Comment: "end of it, not included"},
			{Name: "reason", Type: text, Comment: "operator, or retention: a rule about a service or type"},
			{Name: "submitted", Type: timestamp, Comment: "when it was submitted; nothing of it has shown since"},
			{Name: "state", Type: text, Comment: "hidden: parts that hold some of it wait to be rewritten; removed: none does, but objects that did are not deleted yet; done"},
			{Name: "parts_left", Type: bigint, Comment: "number of parts that hold some of it"},
			{Name: "bytes_left", Type: bigint, Comment: "size of these parts and of dead ones that are not deleted yet, in bytes"},
			{Name: "applied_at", Type: timestamp, Nullable: true, Comment: "when no part held any of it any more; NULL before"},
			{Name: "bytes_gone_at", Type: timestamp, Nullable: true, Comment: "when the last object that did was deleted; NULL before"},
		},
	},
	{
		Name: "jobs", System: true, Kind: Table,
		Comment: "one row for each job that merges parts of an hour and is not done",
		Columns: []Column{
			{Name: "id", Type: text, Comment: "id of the job"},
			{Name: "level", Type: integer, Comment: "level of the block that is made, as blocks.level"},
			{Name: "hour", Type: timestamp, Comment: "start of the hour whose parts are merged"},
			{Name: "inputs", Type: textArray, Comment: "objects that are merged, as in segments.object and blocks.object"},
			{Name: "bytes", Type: bigint, Comment: "size of the inputs, in bytes"},
			{Name: "state", Type: text, Comment: "waiting, running, or set aside: failed too often, its parts stay as they are"},
			{Name: "worker", Type: text, Nullable: true, Comment: "who runs it; NULL unless it is running"},
			{Name: "attempts", Type: integer, Comment: "how often it was given to a worker"},
			{Name: "failures", Type: integer, Comment: "how often it failed"},
			{Name: "reason", Type: text, Nullable: true, Comment: "why it failed the last time; NULL if it never did"},
			{Name: "since", Type: timestamp, Comment: "when it was planned"},
			{Name: "failed_at", Type: timestamp, Nullable: true, Comment: "when it failed the last time; NULL if it never did"},
		},
	},
	{
		Name: "queries", System: true, Kind: Table,
		Comment: "one row for each statement of the tenant that runs, this one included",
		Columns: []Column{
			{Name: "id", Type: bigint, Comment: "number of the statement since the server started"},
			{Name: "user", Type: text, Comment: "who sent it"},
			{Name: "pid", Type: integer, Comment: "pg_backend_pid() of its session"},
			{Name: "since", Type: timestamp, Comment: "when it began"},
			{Name: "rows", Type: bigint, Comment: "rows that its client has read so far"},
			{Name: "bytes", Type: bigint, Comment: "size of the sections that it reads, in bytes"},
			{Name: "fingerprint", Type: text, Comment: "the same for statements that differ in literals and space only, as in the log"},
			{Name: "statement", Type: text, Comment: "its text, with a question mark for every literal"},
		},
	},
	{
		Name: "segments", System: true, Kind: Table,
		Comment: "one row for each segment and hour in it: what was pushed and is not merged yet",
		Columns: slices.Clip(systemPartColumns),
	},
}
