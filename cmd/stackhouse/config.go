package main

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/warehouse/space"
)

// config holds every setting of the server. The name of a field's flag is also
// its key in the configuration file, and STACKHOUSE_ with the name in capitals
// (dots and dashes as underscores) its environment variable. A flag wins over
// the environment, that over the file, that over the default.
type config struct {
	ConfigFile string `name:"config.file" placeholder:"FILE" help:"YAML file with settings; its keys are the names of these flags, flat (http.listen: …) or nested. $${NAME} and $${NAME:default} in values are replaced from the environment."`
	DataDir    string `name:"data-dir" default:"./data" placeholder:"DIR" help:"Directory for everything that is stored (default ${default})."`

	HTTPListen string `name:"http.listen" default:"127.0.0.1:4040" placeholder:"ADDR" help:"Address of the profiling API over HTTP and gRPC, of metrics and of the web page (default ${default})."`
	PGListen   string `name:"pg.listen" default:"127.0.0.1:4042" placeholder:"ADDR" help:"Address of the Postgres endpoint, for psql and other SQL clients (default ${default})."`
	PGTrust    bool   `name:"pg.trust" default:"false" help:"Let the Postgres endpoint listen beyond this machine although it asks for no password."`
	PeerListen string `name:"peer.listen" default:"127.0.0.1:4043" placeholder:"ADDR" help:"Address for other nodes of the same warehouse (default ${default})."`

	Roles  string `name:"roles" default:"all" placeholder:"SET" help:"What this process does (default ${default}). This version runs every role in one process, so that all is the only value."`
	Memory share  `name:"memory" default:"50%" placeholder:"SIZE" help:"Memory to use: a size, or a percentage of what the machine or control group has (default ${default})."`

	Retention     period `name:"retention" default:"31d" placeholder:"TIME" help:"How long profiles are kept, by their own time; 0 keeps them for ever (default ${default})."`
	GCGrace       period `name:"gc.grace" default:"0" placeholder:"TIME" help:"How long an object that nothing needs any more is still kept for foreign readers of the data directory (default ${default})."`
	ManifestEvery period `name:"manifest.every" default:"60s" placeholder:"TIME" help:"How often the index is written to the bucket while it changes, to be rebuilt from; 0 does not write it (default ${default})."`
	FinalAfter    period `name:"compaction.final-after" default:"30s" placeholder:"TIME" help:"How long after the last profile of an hour that is over its data becomes final (default ${default})."`
	MergeAge      period `name:"compaction.segment-age" default:"5s" placeholder:"TIME" help:"How old the segments of a running hour are at least when they are merged (default ${default})."`
	ScrubEvery    period `name:"scrub.every" default:"7d" placeholder:"TIME" help:"Within which time every stored object is read again and compared with its checksums; 0 never does (default ${default})."`
	DiskStop      share  `name:"disk.stop" default:"2%" placeholder:"SIZE" help:"Free space below which pushes are refused: a size, or a percentage of the disk but at least 64MiB (default ${default})."`
	DiskWarn      share  `name:"disk.warn" default:"10%" placeholder:"SIZE" help:"Free space below which /ready and /status warn: a size, or a percentage of the disk but at least 128MiB (default ${default})."`
	CacheBytes    share  `name:"cache.bytes" default:"10%" placeholder:"SIZE" help:"Disk space for copies of stored data: a size, or a percentage of the disk but at most 10GiB (default ${default})."`

	SQLTimeout  period `name:"sql.timeout" default:"10m" placeholder:"TIME" group:"sql" help:"How long a statement may take, its rows unread or not (default ${default})."`
	SQLMaxBytes size   `name:"sql.max-bytes" default:"0" placeholder:"SIZE" group:"sql" help:"Most stored bytes that a statement may read, as planned; one that needs more is refused. 0: no limit (default ${default})."`
	SQLTemp     size   `name:"sql.temp-bytes" default:"4GiB" placeholder:"SIZE" group:"sql" help:"Most temporary space of one statement (default ${default})."`
	SQLSlow     period `name:"sql.slow" default:"10s" placeholder:"TIME" group:"sql" help:"Statements that take at least so long are logged, without their literals; 0: none (default ${default})."`
	SQLAudit    bool   `name:"sql.audit" group:"sql" help:"Log every statement: tenant, user, fingerprint, outcome, rows, bytes and time; never a literal."`

	LimitProfileBytes    size `name:"limits.profile-bytes" default:"32MiB" placeholder:"SIZE" group:"limits" help:"Largest profile, unpacked; above it a profile is refused (default ${default})."`
	LimitSamples         int  `name:"limits.samples" default:"1000000" placeholder:"N" group:"limits" help:"Most samples of a profile; above it a profile is refused (default ${default})."`
	LimitDepth           int  `name:"limits.depth" default:"4096" placeholder:"N" group:"limits" help:"Deepest stacktrace; a deeper one keeps its root side and is flagged (default ${default})."`
	LimitSymbolBytes     size `name:"limits.symbol-bytes" default:"64KiB" placeholder:"SIZE" group:"limits" help:"Longest name of a function, file or mapping; what is longer is cut and flagged (default ${default})."`
	LimitLabels          int  `name:"limits.labels" default:"30" placeholder:"N" group:"limits" help:"Most labels of a series (default ${default})."`
	LimitLabelNameBytes  int  `name:"limits.label-name-bytes" default:"1024" placeholder:"N" group:"limits" help:"Longest label name (default ${default})."`
	LimitLabelValueBytes int  `name:"limits.label-value-bytes" default:"2048" placeholder:"N" group:"limits" help:"Longest label value (default ${default})."`
	LimitSampleLabels    int  `name:"limits.sample-labels" default:"100" placeholder:"N" group:"limits" help:"Most labels of one sample (default ${default})."`
	LimitWaitingQueries  int  `name:"limits.waiting-queries" default:"100" placeholder:"N" group:"limits" help:"Most flame graph queries of one tenant that wait for their turn (default ${default})."`

	SelfProfiling bool   `name:"self-profiling" default:"true" negatable:"" help:"Send the server's own profiles to itself, as service stackhouse (on unless switched off)."`
	LogLevel      level  `name:"log.level" default:"info" placeholder:"LEVEL" help:"Least level that is logged: debug, info, warn or error (default ${default})."`
	LogFormat     string `name:"log.format" default:"text" placeholder:"FORMAT" help:"Form of the log on standard error: text or json (default ${default})."`
}

// policy says when data is merged.
func (c *config) policy() metastore.Policy {
	p := metastore.DefaultPolicy()
	p.Quiet, p.Age = time.Duration(c.FinalAfter), time.Duration(c.MergeAge)
	return p
}

// validate names the first setting that cannot be used.
func (c *config) validate() error {
	for _, a := range []struct{ name, value string }{
		{"http.listen", c.HTTPListen}, {"pg.listen", c.PGListen}, {"peer.listen", c.PeerListen},
	} {
		if err := validateAddress(a.value); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	if !c.PGTrust && !isLoopback(c.PGListen) {
		return fmt.Errorf("pg.listen: %s can be reached from other machines and the Postgres endpoint asks for no password: "+
			"listen on 127.0.0.1, or add --pg.trust", c.PGListen)
	}
	switch {
	case c.ManifestEvery < 0:
		return fmt.Errorf("manifest.every: %s is negative", c.ManifestEvery)
	case c.FinalAfter < 0:
		return fmt.Errorf("compaction.final-after: %s is negative", c.FinalAfter)
	case c.MergeAge < 0:
		return fmt.Errorf("compaction.segment-age: %s is negative", c.MergeAge)
	case c.SQLTimeout <= 0:
		return fmt.Errorf("sql.timeout: %s is too short", c.SQLTimeout)
	case c.SQLSlow < 0:
		return fmt.Errorf("sql.slow: %s is negative", c.SQLSlow)
	case c.SQLTemp < 1:
		return fmt.Errorf("sql.temp-bytes: some space is needed, 256MiB is little")
	case c.DataDir == "":
		return fmt.Errorf("data-dir: a directory is needed")
	case c.Roles != "all":
		return fmt.Errorf("roles: %q is not possible: this version runs all roles in one process, the only value is all", c.Roles)
	case !slices.Contains([]string{"text", "json"}, c.LogFormat):
		return fmt.Errorf("log.format: %q is neither text nor json", c.LogFormat)
	case c.CacheBytes.of(1<<40) == 0:
		return fmt.Errorf("cache.bytes: some space is needed, 64MiB is little")
	}
	return c.validateLimits()
}

func (c *config) validateLimits() error {
	for _, l := range []struct {
		name  string
		value int64
	}{
		{"profile-bytes", int64(c.LimitProfileBytes)},
		{"samples", int64(c.LimitSamples)},
		{"depth", int64(c.LimitDepth)},
		{"symbol-bytes", int64(c.LimitSymbolBytes)},
		{"labels", int64(c.LimitLabels)},
		{"label-name-bytes", int64(c.LimitLabelNameBytes)},
		{"label-value-bytes", int64(c.LimitLabelValueBytes)},
		{"sample-labels", int64(c.LimitSampleLabels)},
		{"waiting-queries", int64(c.LimitWaitingQueries)},
	} {
		if l.value < 1 {
			return fmt.Errorf("limits.%s: %d is too small: the least is 1", l.name, l.value)
		}
		if l.value > maxLimit {
			return fmt.Errorf("limits.%s: %d is too large: the most is %d", l.name, l.value, int64(maxLimit))
		}
	}
	return nil
}

// maxLimit keeps sums and 32-bit positions of the decoders far from overflow.
const maxLimit = 1 << 30

// validateAddress checks host:port without looking anything up.
func validateAddress(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil || port == "" {
		return fmt.Errorf("%q is no address: want host:port, such as 127.0.0.1:4040 or :4040", addr)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return fmt.Errorf("%q is no address: bad port %q", addr, port)
	}
	return nil
}

// isLoopback reports whether only this machine can reach a listener on the
// address. A name other than localhost could stand for anything.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// memoryBytes returns --memory in bytes, given what the machine has.
func (c *config) memoryBytes(available int64) (int64, error) {
	n := c.Memory.of(available)
	if n < minMemory {
		return 0, fmt.Errorf("memory: %s is too little: the least is %s", size(n), size(minMemory))
	}
	return n, nil
}

// maxCacheBytes is the most that a percentage for the cache amounts to.
const maxCacheBytes = 10 << 30

// cacheBytes returns --cache.bytes in bytes, given the disk's size.
func (c *config) cacheBytes(disk int64) int64 {
	n := c.CacheBytes.of(disk)
	if c.CacheBytes.percent > 0 {
		n = min(n, maxCacheBytes)
	}
	return n
}

// The least that percentages of a disk amount to. What stops pushes is kept for the
// log, which takes two files of 16 MiB, and for merges.
const (
	minDiskStop = 64 << 20
	minDiskWarn = 2 * minDiskStop
)

// diskThresholds returns --disk.stop and --disk.warn.
func (c *config) diskThresholds() (stop, warn space.Threshold) {
	stop = func(total int64) int64 { return atLeast(c.DiskStop, total, minDiskStop) }
	warn = func(total int64) int64 { return max(atLeast(c.DiskWarn, total, minDiskWarn), stop(total)) }
	return stop, warn
}

// atLeast returns the bytes that s means, no less than least if it is a percentage.
func atLeast(s share, whole, least int64) int64 {
	if s.percent > 0 {
		return max(s.of(whole), least)
	}
	return s.of(whole)
}

// retention returns --retention; zero means for ever.
func (c *config) retention() time.Duration { return time.Duration(c.Retention) }

// envName returns the environment variable of a setting.
func envName(setting string) string {
	return "STACKHOUSE_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(setting))
}
