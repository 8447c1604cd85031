package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// Exit statuses.
const (
	exitOK    = 0
	exitError = 1 // it was tried and went wrong
	exitUsage = 2 // the command line, environment or file is wrong
)

// grammar is the command line.
type grammar struct {
	Serve     serveCmd     `cmd:"" help:"Run the server."`
	Config    configCmd    `cmd:"" help:"Print the settings that serve would use, as YAML, and where each can be set."`
	Scrub     scrubCmd     `cmd:"" help:"Read all that is stored and compare it with its checksums; exit status 1 if something is damaged."`
	Jobs      jobsCmd      `cmd:"" help:"List the merges of a running server, and release those that were set aside."`
	Backup    backupCmd    `cmd:"" help:"Copy everything that a running server has stored to another place."`
	Restore   restoreCmd   `cmd:"" help:"Make a data directory of a backup, after all of it was verified."`
	Delete    deleteCmd    `cmd:"" help:"Delete profiles of a running server: they are hidden at once, and removed from the bucket soon."`
	Retention retentionCmd `cmd:"" help:"Show or set how long a running server keeps profiles."`
	Block     blockCmd     `cmd:"" help:"Look into stored blocks."`
	Segment   segmentCmd   `cmd:"" help:"Look into stored segments."`
	Metastore metastoreCmd `cmd:"" help:"Look into the index of a server that is stopped; rebuild, export or import it."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
	Help      helpCmd      `cmd:"" help:"Show help for a command."`

	ShowHelp helpFlag `name:"help" short:"h" help:"Show help."`
}

type serveCmd struct {
	Settings config `embed:""`
}

type configCmd struct {
	Settings config `embed:""`
}

type versionCmd struct{}

type helpCmd struct {
	Command []string `arg:"" optional:"" help:"The command."`
}

// helpFlag shows the help of the command before it, and ends parsing.
type helpFlag bool

var errHelpShown = errors.New("help was shown")

// BeforeReset is kong's hook for a flag that acts before values are set.
func (helpFlag) BeforeReset(ctx *kong.Context) error {
	if err := ctx.PrintUsage(false); err != nil {
		return err
	}
	return errHelpShown
}

// run executes one command line and returns the exit status. It returns early
// and cleanly when ctx is done.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p := program{env: os.LookupEnv, root: "/", stdout: stdout, stderr: stderr}
	return p.run(ctx, args)
}

// program is what a command line needs of its surroundings.
type program struct {
	env    lookup
	root   string // of /proc and /sys
	stdout io.Writer
	stderr io.Writer
}

func (p program) run(ctx context.Context, args []string) int {
	var g grammar
	parser, err := p.parser(&g)
	if err != nil {
		return p.fail(exitError, err)
	}
	parsed, err := parser.Parse(args)
	if err == nil {
		err = applySources(parsed, p.env)
	}
	switch {
	case errors.Is(err, errHelpShown):
		return exitOK
	case err != nil:
		return p.fail(exitUsage, err)
	}
	path := parsed.Selected().Path()
	if name, ok := strings.CutPrefix(path, "metastore "); ok {
		return p.metastore(ctx, name, &g.Metastore)
	}
	if name, ok := strings.CutPrefix(path, "block "); ok {
		return p.block(ctx, name, &g.Block)
	}
	if name, ok := strings.CutPrefix(path, "segment "); ok {
		return p.segment(ctx, name, &g.Segment)
	}
	switch path {
	case "serve":
		return p.serve(ctx, &g.Serve.Settings)
	case "config":
		return p.printConfig(&g.Config.Settings, settingFlags(parsed))
	case "scrub":
		return p.scrub(ctx, &g.Scrub)
	case "jobs ls":
		return p.listJobs(ctx, &g.Jobs.Ls)
	case "jobs release":
		return p.releaseJobs(ctx, &g.Jobs.Release)
	case "backup":
		return p.backUp(ctx, &g.Backup)
	case "restore":
		return p.restore(ctx, &g.Restore)
	case "delete":
		return p.delete(ctx, &g.Delete)
	case "retention get":
		return p.retention(ctx, &g.Retention.Get.Server, nil)
	case "retention set":
		return p.retention(ctx, &g.Retention.Set.Server, g.Retention.Set.About.body(g.Retention.Set.Keep))
	case "retention rm":
		return p.retention(ctx, &g.Retention.Rm.Server, g.Retention.Rm.About.body("inherit"))
	case "version":
		fmt.Fprintln(p.stdout, versionText())
		return exitOK
	default:
		return p.run(ctx, append(g.Help.Command, "--help"))
	}
}

func (p program) parser(g *grammar) (*kong.Kong, error) {
	return kong.New(g,
		kong.Name("stackhouse"),
		kong.Description("A SQL-queryable warehouse for continuous profiles. \"stackhouse serve\" runs everything with data in ./data; no setting is needed."),
		kong.Writers(p.stdout, p.stderr),
		kong.NoDefaultHelp(),
		kong.Groups{"limits": "Limits of what is accepted:", "sql": "Statements:"},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.ValueFormatter(helpWithEnv),
	)
}

// helpWithEnv adds a setting's environment variable to its help; options of a
// command have none.
func helpWithEnv(v *kong.Value) string {
	if v.Flag == nil || v.Name == "help" || v.Tag.Has("option") {
		return v.Help
	}
	return v.Help + " [$" + envName(v.Name) + "]"
}

func (p program) serve(ctx context.Context, cfg *config) int {
	if err := cfg.validate(); err != nil {
		return p.fail(exitUsage, err)
	}
	memory, err := cfg.memoryBytes(availableMemory(p.root))
	if err != nil {
		return p.fail(exitUsage, err)
	}
	points, err := failpoints(p.env)
	if err != nil {
		return p.fail(exitUsage, err)
	}
	log := newLogger(p.stderr, slog.Level(cfg.LogLevel), cfg.LogFormat)
	if err := serve(ctx, cfg, newBudgets(memory), points, log, p.stdout); err != nil {
		return p.fail(exitError, err)
	}
	return exitOK
}

func (p program) fail(status int, err error) int {
	fmt.Fprintf(p.stderr, "stackhouse: %s\n", err)
	return status
}
