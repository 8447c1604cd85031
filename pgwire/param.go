package pgwire

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stackhouse-db/stackhouse/sql/lex"
)

// paramDef describes one run-time parameter.
type paramDef struct {
	name    string // as SHOW spells it
	initial string
	check   func(value string) (canonical string, err error)
	report  bool // clients hear of changes through ParameterStatus
	fixed   bool // cannot be changed
	desc    string
}

// paramDefs are the parameters that exist, by lower-case name. Those that tune
// PostgreSQL's own planner or storage are there because clients set them.
var paramDefs = indexParams([]paramDef{
	{name: "application_name", check: anyText, report: true, desc: "Name of the program that uses the session."},
	{name: "client_encoding", initial: "UTF8", check: encoding, report: true, desc: "The client's character set: UTF8."},
	{name: "DateStyle", initial: "ISO, MDY", check: dateStyle, report: true, desc: "Format of dates: ISO, and the order in which ambiguous input is read."},
	{name: "default_transaction_read_only", initial: "on", check: boolean, report: true, desc: "Transactions are read-only."},
	{name: "in_hot_standby", initial: "off", fixed: true, report: true, desc: "Whether the server follows another one."},
	{name: "integer_datetimes", initial: "on", fixed: true, report: true, desc: "Timestamps are integers in the binary format."},
	{name: "IntervalStyle", initial: "postgres", check: oneOf("postgres", "iso_8601"), report: true, desc: "Format of intervals."},
	{name: "is_superuser", initial: "off", fixed: true, report: true, desc: "Whether the user is a superuser."},
	{name: "server_encoding", initial: "UTF8", fixed: true, report: true, desc: "The server's character set."},
	{name: "server_version", initial: "15.0", fixed: true, report: true, desc: "The PostgreSQL version whose behaviour clients may expect."},
	{name: "session_authorization", fixed: true, report: true, desc: "The session's user."},
	{name: "standard_conforming_strings", initial: "on", check: only("on"), report: true, desc: "Backslashes in '…' are ordinary."},
	{name: "TimeZone", initial: "UTC", check: timeZone, report: true, desc: "Zone in which timestamps with time zone are shown and read."},

	{name: "bytea_output", initial: "hex", check: oneOf("hex", "escape"), desc: "Text format of bytea."},
	{name: "client_min_messages", initial: "notice", check: oneOf("debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "notice", "warning", "error"), desc: "Least severity of messages sent."},
	{name: "extra_float_digits", initial: "1", check: integer(-15, 3), desc: "Digits of floating-point numbers; above zero the shortest exact form."},
	{name: "idle_in_transaction_session_timeout", initial: "0", check: milliseconds, desc: "The session ends when a transaction is idle so long; 0: never."},
	{name: "idle_session_timeout", initial: "0", check: milliseconds, desc: "The session ends when it is idle so long; 0: never."},
	{name: "role", initial: "none", check: only("none"), desc: "The current role."},
	{name: "search_path", initial: `"$user", public`, check: anyText, desc: "Schemas in which names are looked up."},
	{name: "statement_timeout", initial: "0", check: milliseconds, desc: "A statement is canceled after so long; 0: never."},

	{name: "default_transaction_deferrable", initial: "off", check: boolean, desc: "Default of transaction_deferrable."},
	{name: "default_transaction_isolation", initial: "repeatable read", check: isolation, desc: "Default of transaction_isolation."},
	{name: "transaction_deferrable", initial: "off", check: boolean, desc: "Accepted; nothing here ever waits."},
	{name: "transaction_isolation", initial: "repeatable read", check: isolation, desc: "Every level gives one snapshot per transaction."},
	{name: "transaction_read_only", initial: "on", check: boolean, desc: "The transaction is read-only."},

	{name: "block_size", initial: "8192", fixed: true, desc: "As in PostgreSQL."},
	{name: "data_checksums", initial: "on", fixed: true, desc: "Stored data is checksummed."},
	{name: "lc_collate", initial: "C.UTF-8", fixed: true, desc: "Text is ordered by its bytes."},
	{name: "lc_ctype", initial: "C.UTF-8", fixed: true, desc: "Classes of characters."},
	{name: "max_identifier_length", initial: "63", fixed: true, desc: "Longest identifier in bytes."},
	{name: "max_index_keys", initial: "32", fixed: true, desc: "As in PostgreSQL."},
	{name: "password_encryption", initial: "scram-sha-256", fixed: true, desc: "As in PostgreSQL."},
	{name: "server_version_num", initial: "150000", fixed: true, desc: "server_version as a number."},
	{name: "ssl", initial: "off", fixed: true, desc: "Whether connections may be encrypted."},
	{name: "wal_level", initial: "replica", fixed: true, desc: "As in PostgreSQL."},

	accepted("array_nulls", "on", boolean),
	accepted("backslash_quote", "safe_encoding", anyText),
	accepted("check_function_bodies", "on", boolean),
	accepted("constraint_exclusion", "partition", anyText),
	accepted("cursor_tuple_fraction", "0.1", number),
	accepted("default_statistics_target", "100", integer(1, 10000)),
	accepted("default_table_access_method", "heap", anyText),
	accepted("default_tablespace", "", anyText),
	accepted("default_text_search_config", "pg_catalog.simple", anyText),
	accepted("default_toast_compression", "pglz", anyText),
	accepted("effective_cache_size", "4GB", anyText),
	accepted("effective_io_concurrency", "1", integer(0, 1000)),
	accepted("enable_bitmapscan", "on", boolean),
	accepted("enable_hashagg", "on", boolean),
	accepted("enable_hashjoin", "on", boolean),
	accepted("enable_indexonlyscan", "on", boolean),
	accepted("enable_indexscan", "on", boolean),
	accepted("enable_material", "on", boolean),
	accepted("enable_mergejoin", "on", boolean),
	accepted("enable_nestloop", "on", boolean),
	accepted("enable_partitionwise_aggregate", "off", boolean),
	accepted("enable_partitionwise_join", "off", boolean),
	accepted("enable_seqscan", "on", boolean),
	accepted("enable_sort", "on", boolean),
	accepted("escape_string_warning", "on", boolean),
	accepted("from_collapse_limit", "8", integer(1, math.MaxInt32)),
	accepted("geqo", "on", boolean),
	accepted("jit", "off", boolean),
	accepted("join_collapse_limit", "8", integer(1, math.MaxInt32)),
	accepted("lc_messages", "C.UTF-8", anyText),
	accepted("lc_monetary", "C.UTF-8", anyText),
	accepted("lc_numeric", "C.UTF-8", anyText),
	accepted("lc_time", "C.UTF-8", anyText),
	accepted("lock_timeout", "0", milliseconds),
	accepted("lo_compat_privileges", "off", boolean),
	accepted("maintenance_work_mem", "64MB", anyText),
	accepted("max_parallel_workers", "8", integer(0, 1024)),
	accepted("max_parallel_workers_per_gather", "2", integer(0, 1024)),
	accepted("parallel_leader_participation", "on", boolean),
	accepted("plan_cache_mode", "auto", oneOf("auto", "force_generic_plan", "force_custom_plan")),
	accepted("quote_all_identifiers", "off", boolean),
	accepted("random_page_cost", "4", number),
	accepted("row_security", "on", boolean),
	accepted("seq_page_cost", "1", number),
	accepted("session_replication_role", "origin", only("origin")),
	accepted("synchronize_seqscans", "on", boolean),
	accepted("synchronous_commit", "on", anyText),
	accepted("tcp_keepalives_count", "0", integer(0, math.MaxInt32)),
	accepted("tcp_keepalives_idle", "0", integer(0, math.MaxInt32)),
	accepted("tcp_keepalives_interval", "0", integer(0, math.MaxInt32)),
	accepted("temp_buffers", "8MB", anyText),
	accepted("temp_tablespaces", "", anyText),
	accepted("timezone_abbreviations", "Default", anyText),
	accepted("track_activities", "on", boolean),
	accepted("transform_null_equals", "off", only("off")),
	accepted("work_mem", "4MB", anyText),
	accepted("xmlbinary", "base64", oneOf("base64", "hex")),
	accepted("xmloption", "content", oneOf("content", "document")),
})

// accepted is a parameter that is kept and has no effect.
func accepted(name, initial string, check func(string) (string, error)) paramDef {
	return paramDef{name: name, initial: initial, check: check, desc: "Accepted for clients that set it; has no effect."}
}

func indexParams(defs []paramDef) map[string]paramDef {
	m := make(map[string]paramDef, len(defs))
	for _, d := range defs {
		m[strings.ToLower(d.name)] = d
	}
	return m
}

// The checks return how SHOW spells a value, or why it is none; set adds the
// parameter's name.

func anyText(v string) (string, error) { return v, nil }

func boolean(v string) (string, error) {
	switch strings.ToLower(v) {
	case "on", "true", "t", "yes", "y", "1", "tru", "tr", "ye":
		return "on", nil
	case "off", "false", "f", "no", "n", "0", "of", "fals", "fal", "fa":
		return "off", nil
	}
	return "", errorf(stateInvalidParameter, "it requires a Boolean value")
}

// only accepts one value of a setting that PostgreSQL lets vary.
func only(value string) func(string) (string, error) {
	return func(v string) (string, error) {
		if b, err := boolean(v); err == nil {
			v = b
		}
		if strings.EqualFold(v, value) {
			return value, nil
		}
		return "", errorf(stateFeatureNotSupported, "only %q is supported", value)
	}
}

func oneOf(values ...string) func(string) (string, error) {
	return func(v string) (string, error) {
		v = strings.ToLower(v)
		if !slices.Contains(values, v) {
			return "", errorf(stateInvalidParameter, "available values: %s", strings.Join(values, ", "))
		}
		return v, nil
	}
}

var isolation = oneOf("serializable", "repeatable read", "read committed", "read uncommitted")

func integer(least, most int64) func(string) (string, error) {
	return func(v string) (string, error) {
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		if err != nil || n < least || n > most {
			return "", errorf(stateInvalidParameter, "it requires a number from %d to %d", least, most)
		}
		return strconv.FormatInt(n, 10), nil
	}
}

func number(v string) (string, error) {
	f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return "", errorf(stateInvalidParameter, "it requires a number")
	}
	return strconv.FormatFloat(f, 'g', -1, 64), nil
}

// encoding accepts UTF-8, and SQL_ASCII, which asks for no conversion. As in
// PostgreSQL only letters and digits count: asyncpg sends quotes along.
func encoding(v string) (string, error) {
	letters := func(r rune) rune {
		if r >= utf8.RuneSelf || !lex.IsWordPart(byte(r)) || r == '_' {
			return -1
		}
		return r
	}
	switch strings.ToLower(strings.Map(letters, v)) {
	case "utf8", "unicode":
		return "UTF8", nil
	case "sqlascii":
		return "SQL_ASCII", nil
	}
	return "", errorf(stateFeatureNotSupported, "only UTF8 is supported")
}

// dateStyle accepts the orders of ambiguous input; output is always ISO.
func dateStyle(v string) (string, error) {
	order := "MDY"
	for part := range strings.SplitSeq(v, ",") {
		switch strings.ToLower(strings.TrimSpace(part)) {
		case "iso", "default":
		case "mdy", "us", "noneuropean":
			order = "MDY"
		case "dmy", "euro", "european":
			order = "DMY"
		case "ymd":
			order = "YMD"
		case "postgres", "sql", "german":
			return "", errorf(stateFeatureNotSupported, "only the style ISO is supported")
		default:
			return "", errorf(stateInvalidParameter, "unrecognized key word %q", part)
		}
	}
	return "ISO, " + order, nil
}

// timeUnits from the longest.
var timeUnits = []struct {
	name string
	d    time.Duration
}{
	{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}, {"us", time.Microsecond},
}

// milliseconds reads a duration that is in milliseconds when it has no unit, and
// spells it in the largest unit that fits.
func milliseconds(v string) (string, error) {
	d, ok := parseDuration(v)
	if !ok || d < 0 || d > math.MaxInt32*time.Millisecond {
		return "", errorf(stateInvalidParameter, "it requires a time from 0 to %d ms", math.MaxInt32).
			withHint(`Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".`)
	}
	return formatDuration(d), nil
}

// parseDuration reads a value of a parameter in milliseconds, rounded to them.
func parseDuration(v string) (time.Duration, bool) {
	v = strings.TrimSpace(v)
	n := strings.IndexFunc(v, func(r rune) bool { return r != '.' && r != '-' && r != '+' && (r < '0' || r > '9') })
	unit := time.Millisecond
	if n >= 0 {
		name := strings.TrimSpace(v[n:])
		i := slices.IndexFunc(timeUnits, func(u struct {
			name string
			d    time.Duration
		}) bool {
			return u.name == name
		})
		if i < 0 {
			return 0, false
		}
		v, unit = strings.TrimSpace(v[:n]), timeUnits[i].d
	}
	f, err := strconv.ParseFloat(v, 64)
	f *= float64(unit)
	if err != nil || math.IsNaN(f) || math.Abs(f) > math.MaxInt64/2 {
		return 0, false
	}
	return time.Duration(f).Round(time.Millisecond), true
}

func formatDuration(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	for _, u := range timeUnits {
		if d%u.d == 0 {
			return strconv.FormatInt(int64(d/u.d), 10) + u.name
		}
	}
	return d.String()
}
