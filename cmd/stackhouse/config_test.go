package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// result is what a command line printed and how it ended.
type result struct {
	status         int
	stdout, stderr string
}

// command runs a command line to its end with the environment env.
func command(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := program{env: mapEnv(env), root: "/", stdout: &stdout, stderr: &stderr}
	status := p.run(t.Context(), args)
	return result{status, stdout.String(), stderr.String()}
}

func mapEnv(env map[string]string) lookup {
	return func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
}

// settings runs the config command and returns what it printed.
func settings(t *testing.T, env map[string]string, args ...string) map[string]string {
	t.Helper()
	r := command(t, env, append([]string{"config"}, args...)...)
	require.Zero(t, r.status, r.stderr)
	var got map[string]string
	require.NoError(t, yaml.Unmarshal([]byte(r.stdout), &got))
	return got
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stackhouse.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	got := settings(t, nil)
	for name, want := range map[string]string{
		"scrub.every":    "7d",
		"disk.stop":      "2%",
		"disk.warn":      "10%",
		"data-dir":       "./data",
		"http.listen":    "127.0.0.1:4040",
		"pg.listen":      "127.0.0.1:4042",
		"pg.trust":       "false",
		"peer.listen":    "127.0.0.1:4043",
		"roles":          "all",
		"memory":         "50%",
		"retention":      "31d",
		"self-profiling": "true",
		"log.level":      "info",
		"log.format":     "text",
	} {
		require.Equal(t, want, got[name], name)
	}
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "log.level: error\nretention: 1d\n")
	fileFlag := "--config.file=" + file
	envFile := map[string]string{"STACKHOUSE_CONFIG_FILE": file}
	env := map[string]string{"STACKHOUSE_LOG_LEVEL": "warn"}
	tests := []struct {
		name string
		env  map[string]string
		args []string
		want string
	}{
		{"default", nil, nil, "info"},
		{"file over default", nil, []string{fileFlag}, "error"},
		{"file named by the environment", envFile, nil, "error"},
		{"environment over file", env, []string{fileFlag}, "warn"},
		{"flag over environment and file", env, []string{fileFlag, "--log.level=debug"}, "debug"},
		{"flag before the file's", env, []string{"--log.level=debug", fileFlag}, "debug"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, settings(t, tt.env, tt.args...)["log.level"])
		})
	}
}

func TestFileForms(t *testing.T) {
	t.Parallel()
	env := map[string]string{"PORT": "1234", "EMPTY": "", "TRICKY": "a: b # ${PORT}"}
	tests := []struct {
		name, text string
		setting    string
		want       string
	}{
		{"flat", "http.listen: :1", "http.listen", ":1"},
		{"nested", "http:\n  listen: :1\n", "http.listen", ":1"},
		{"flow style", `{"http": {"listen": ":1"}}`, "http.listen", ":1"},
		{"only comments", "# nothing\n", "http.listen", "127.0.0.1:4040"},
		{"empty", "", "http.listen", "127.0.0.1:4040"},
		{"bool", "self-profiling: false", "self-profiling", "false"},
		{"number", "limits.depth: 7", "limits.depth", "7"},
		{"variable", "http.listen: localhost:${PORT}", "http.listen", "localhost:1234"},
		{"variable before default", "http.listen: localhost:${PORT:1}", "http.listen", "localhost:1234"},
		{"default", "http.listen: ${HOST:localhost}:${OTHER:80}", "http.listen", "localhost:80"},
		{"default with a colon", "http.listen: ${ADDR:localhost:80}", "http.listen", "localhost:80"},
		{"empty variable is set", "data-dir: x${EMPTY:y}", "data-dir", "x"},
		{"values are no YAML and not expanded again", "data-dir: ${TRICKY}", "data-dir", "a: b # ${PORT}"},
		{"dollar", "data-dir: a$b$$c$${PORT}", "data-dir", "a$b$c${PORT}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			printed := settings(t, env, "--config.file="+writeFile(t, tt.text))[tt.setting]
			require.Equal(t, tt.want, strings.ReplaceAll(printed, "$$", "$"))
		})
	}
}

// TestConfigReadsBack: what config prints is a file that means the same.
func TestConfigReadsBack(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"STACKHOUSE_DATA_DIR": "~", "STACKHOUSE_PG_LISTEN": "$HOME${X}:5", "STACKHOUSE_PG_TRUST": "true", "STACKHOUSE_RETENTION": "36h",
		"STACKHOUSE_MEMORY": "1.5GiB", "STACKHOUSE_SELF_PROFILING": "false",
	}
	first := command(t, env, "config")
	require.Zero(t, first.status, first.stderr)
	second := command(t, nil, "config", "--config.file="+writeFile(t, first.stdout))
	require.Zero(t, second.status, second.stderr)
	require.Equal(t, first.stdout, second.stdout)
	require.Contains(t, first.stdout, "STACKHOUSE_HTTP_LISTEN")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		file string
		env  map[string]string
		args []string
		want string // in the one line on standard error
	}{
		{name: "unknown key", file: "a: 1\nhttp.listen: :1\nhttp.lisen: :1\n", want: `stackhouse.yaml:1: unknown setting "a"`},
		{name: "unknown nested key", file: "http:\n  listen: :1\n  lisen: :2\n", want: `stackhouse.yaml:3: unknown setting "http.lisen"`},
		{name: "key twice", file: "http.listen: :1\nhttp: {listen: ':2'}\n", want: "stackhouse.yaml:2: http.listen is set twice, first on line 1"},
		{name: "list", file: "http.listen: [a, b]\n", want: "stackhouse.yaml:1: http.listen is a list"},
		{name: "no value", file: "http.listen:\n", want: "stackhouse.yaml:1: http.listen has no value"},
		{name: "not a mapping", file: "hello\n", want: "stackhouse.yaml:1: want settings"},
		{name: "broken YAML", file: "a: [\n", want: "stackhouse.yaml: yaml: line"},
		{name: "alias", file: "data-dir: &x y\nhttp.listen: *x\n", want: "stackhouse.yaml:2: http.listen is an alias"},
		{name: "file in file", file: "config.file: x\n", want: "stackhouse.yaml:1: config.file cannot be set in the file itself"},
		{name: "bad value in file", file: "\nretention: soon\n", want: `stackhouse.yaml:2: retention: "soon" is no time span`},
		{name: "unset variable", file: "\n\ndata-dir: ${NOPE}\n", want: "stackhouse.yaml:3: data-dir: variable NOPE is not set"},
		{name: "open variable", file: "data-dir: ${NOPE\n", want: `stackhouse.yaml:1: data-dir: "${NOPE" is not closed`},
		{name: "variable without name", file: "data-dir: ${:x}\n", want: "stackhouse.yaml:1: data-dir: \"${:x}\" names no variable"},
		{name: "missing file", args: []string{"--config.file=/nonexistent.yaml"}, want: "config.file: open /nonexistent.yaml"},
		{name: "bad environment", env: map[string]string{"STACKHOUSE_LOG_LEVEL": "loud"}, want: `environment: STACKHOUSE_LOG_LEVEL: "loud" is no log level`},
		{name: "unknown flag", args: []string{"--http.lisen=:1"}, want: "unknown flag --http.lisen"},
		{name: "bad flag value", args: []string{"--memory=lots"}, want: `--memory: "lots" is no size`},
		{name: "no port", args: []string{"--http.listen=localhost"}, want: `http.listen: "localhost" is no address`},
		{name: "bad port", args: []string{"--pg.listen=:99999"}, want: `pg.listen: ":99999" is no address`},
		{name: "Postgres beyond loopback", args: []string{"--pg.listen=:4042"}, want: `add --pg.trust`},
		{name: "Postgres on a name", args: []string{"--pg.listen=db.example.com:4042"}, want: `add --pg.trust`},
		{name: "role", args: []string{"--roles=ingest"}, want: `roles: "ingest" is not possible`},
		{name: "log format", args: []string{"--log.format=xml"}, want: `log.format: "xml" is neither text nor json`},
		{name: "limit too small", args: []string{"--limits.depth=0"}, want: "limits.depth: 0 is too small"},
		{name: "limit too large", args: []string{"--limits.profile-bytes=2GiB"}, want: "limits.profile-bytes: 2147483648 is too large"},
		{name: "no cache", args: []string{"--cache.bytes=0"}, want: "cache.bytes: some space is needed"},
		{name: "no directory", args: []string{"--data-dir="}, want: "data-dir: a directory is needed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"config"}, tt.args...)
			if tt.file != "" {
				args = append(args, "--config.file="+writeFile(t, tt.file))
			}
			r := command(t, tt.env, args...)
			require.Equal(t, exitUsage, r.status)
			require.Empty(t, r.stdout)
			require.Contains(t, r.stderr, tt.want)
			require.True(t, strings.HasPrefix(r.stderr, "stackhouse: "), r.stderr)
			require.Equal(t, 1, strings.Count(r.stderr, "\n"), "one line: %s", r.stderr)
		})
	}
}

func TestTooLittleMemory(t *testing.T) {
	t.Parallel()
	r := command(t, nil, "serve", "--memory=100MiB", "--data-dir="+filepath.Join(t.TempDir(), "data"))
	require.Equal(t, exitUsage, r.status)
	require.Equal(t, "stackhouse: memory: 100MiB is too little: the least is 256MiB\n", r.stderr)
}

func TestCommands(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		args   []string
		status int
		stdout string
		stderr string
	}{
		{"version", []string{"version"}, exitOK, "stackhouse ", ""},
		{"help", []string{"help"}, exitOK, "Usage: stackhouse <command>", ""},
		{"help flag", []string{"--help"}, exitOK, "Usage: stackhouse <command>", ""},
		{"help for a command", []string{"help", "serve"}, exitOK, "[$STACKHOUSE_HTTP_LISTEN]", ""},
		{"help flag of a command", []string{"serve", "-h"}, exitOK, "--data-dir", ""},
		{"help does not hide what is missing", []string{"help", "serve"}, exitOK, "asks for no password", ""},
		{"no command", nil, exitUsage, "", `expected one of "serve"`},
		{"unknown command", []string{"frob"}, exitUsage, "", "unexpected argument frob"},
		{"help for an unknown command", []string{"help", "frob"}, exitUsage, "", "unexpected argument frob"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := command(t, nil, tt.args...)
			require.Equal(t, tt.status, r.status, r.stderr)
			require.Contains(t, strings.Join(strings.Fields(r.stdout), " "), strings.TrimSpace(tt.stdout))
			require.Contains(t, r.stderr, tt.stderr)
		})
	}
}

// TestSecretsAreNotPrinted uses a setting of its own, so that the rule holds
// for the first real one.
func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	var g struct {
		Key   string `name:"key" secret:""`
		Unset string `name:"unset" secret:""`
	}
	k, err := kong.New(&g)
	require.NoError(t, err)
	_, err = k.Parse([]string{"--key=hunter2"})
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, writeSettings(yaml.NewEncoder(&out), k.Model.Flags))
	require.NotContains(t, out.String(), "hunter2")
	require.Contains(t, out.String(), "key: <secret>")
	require.Contains(t, out.String(), `unset: ""`)
}

// FuzzParseSettings: no file crashes the program, and every error says where.
func FuzzParseSettings(f *testing.F) {
	for _, seed := range []string{"", "a: b", "a:\n  b: ${C:d}\n", "a: [1]", "&a [*a]", "? {}\n: 1", "a: $${X}", "\x00", "a: !!binary x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := parseSettings("some.yaml", data, mapEnv(nil))
		if err != nil && !strings.HasPrefix(err.Error(), "some.yaml:") {
			t.Fatalf("error does not name the file: %v", err)
		}
	})
}
