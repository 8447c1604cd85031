package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// client returns the path of a program of another project that a test drives.
// Without it the test is skipped and names what to install. CI installs it (see
// .ci/deps), and there the test fails.
func client(t *testing.T, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		missing(t, program, debianPackage)
	}
	return path
}

func missing(t *testing.T, what, debianPackage string) {
	t.Helper()
	text := what + " is missing; install with: sudo apt-get install -y " + debianPackage
	if os.Getenv("CI") != "" {
		t.Fatal(text)
	}
	t.Skip(text)
}

// psql runs psql against the server. It returns what it wrote, and its exit
// status.
func (w *sqlWorld) psql(t *testing.T, stdin string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := w.psqlCommand(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError))
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (w *sqlWorld) psqlCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path := client(t, "psql", "postgresql-client")
	cmd := exec.CommandContext(t.Context(), path, append([]string{"-X", "-h", w.host, "-p", w.port, "-U", "alice", "-d", "anonymous"}, args...)...)
	cmd.Env = []string{"LC_ALL=C.UTF-8", "PGTZ=UTC", "PAGER=cat", "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	return cmd
}

// TestPsql: what a newcomer types.
func TestPsql(t *testing.T) {
	client(t, "psql", "postgresql-client")
	w := newSQLWorld(t)
	defer func() { require.Zero(t, w.stop(), w.stderr.String()); http.DefaultClient.CloseIdleConnections() }()

	t.Run("first question", func(t *testing.T) {
		out, errs, status := w.psql(t, "", "-At", "-c", "select service_name, profile_type, count(*), sum(value) from samples group by all order by 1, 2")
		require.Zero(t, status, errs)
		var want strings.Builder
		for _, r := range w.totals() {
			fmt.Fprintf(&want, "%s|%s|%d|%d\n", r.Service, r.Type, r.Count, r.Sum)
		}
		require.Equal(t, want.String(), out)
	})

	t.Run("three totals", func(t *testing.T) {
		for _, selector := range []string{`{}`, `{service_name="cart"}`, `{pod="checkout-1"}`, `{service_name!~"c.*"}`, `{service_name=~"cart|payments",pod!="cart-0"}`} {
			script := fmt.Sprintf(`select sum(value) from labeled_samples where profile_type = '%[1]s' and %[5]s;
select max(total) from flamegraph('%[1]s%[2]s', '%[3]s', '%[4]s');`,
				cpuType, selector, w.start.Format(time.RFC3339), w.end().Format(time.RFC3339), whereOf[selector])
			out, errs, status := w.psql(t, script, "-At", "-v", "ON_ERROR_STOP=1")
			require.Zero(t, status, errs)
			total := fmt.Sprint(w.apiTotal(t, cpuType, selector))
			require.Equal(t, total+"\n"+total+"\n", out, selector)
			require.NotEqual(t, "0", total)
		}
	})

	for _, tt := range []struct {
		command string
		want    []string
	}{
		{`\d`, []string{"samples", "labeled_profiles", "stacktraces", "view"}},
		{`\dt`, []string{}},
		{`\dt+`, []string{"samples", "profiles", "series", "stacktraces", "one row"}},
		{`\dv+`, []string{"samples with the labels of their series"}},
		{`\d samples`, []string{"service_name", "timestamp with time zone", "stacktrace_id", "bigint"}},
		{`\d+ samples`, []string{"stacktraces", "series"}},
		{`\df`, []string{"flamegraph", "top_functions"}},
		{`\dn`, []string{"public", "system"}},
		{`\dt+ system.*`, []string{"blocks", "segments", "jobs", "one row for each"}},
		{`\d system.jobs`, []string{"failed_at", "text[]", "timestamp with time zone"}},
		{`select count(*) from system.jobs`, []string{"(1 row)"}},
		{`\l`, []string{"anonymous"}},
		{`\du`, []string{"alice"}},
		{`\conninfo`, []string{`database "anonymous"`, `user "alice"`}},
		{`\dT`, []string{}},
		{`\di`, []string{}},
		{`\encoding`, []string{"UTF8"}},
	} {
		t.Run(tt.command, func(t *testing.T) {
			out, errs, status := w.psql(t, "", "-c", tt.command)
			require.Zero(t, status, errs)
			for _, want := range tt.want {
				require.Contains(t, out, want)
			}
			if len(tt.want) == 0 {
				require.NotContains(t, errs, "ERROR")
			}
		})
	}

	t.Run("errors point at the place", func(t *testing.T) {
		_, errs, status := w.psql(t, "select service_name,\n       nothing\n  from samples;\n")
		require.Zero(t, status, "psql goes on")
		require.Contains(t, errs, "LINE 2:        nothing\n               ^")
		_, errs, status = w.psql(t, "", "-v", "VERBOSITY=verbose", "-c", "select * from nowhere")
		require.Equal(t, 1, status)
		require.Contains(t, errs, "ERROR:  42P01")
	})

	t.Run("copy", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "out.csv")
		_, errs, status := w.psql(t, `\copy (select service_name, count(*) as n from profiles group by 1 order by 1) to '`+file+`' csv header`)
		require.Zero(t, status, errs)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, "service_name,n\ncart,20\ncheckout,20\npayments,20\n", string(text))
	})

	t.Run("prepare, cursor, transaction, settings", func(t *testing.T) {
		out, errs, status := w.psql(t, `prepare p(text) as select count(*) from samples where service_name = $1;
execute p('cart');
begin;
declare c cursor for select value from samples order by 1 limit 3;
fetch 2 from c;
move 1 in c;
fetch 2 from c;
commit;
set time zone 'Europe/Berlin';
show timezone;
select '2026-07-01 12:00:00+00'::timestamptz;
reset all;
`, "-Atq", "-v", "ON_ERROR_STOP=1")
		require.Zero(t, status, errs)
		require.Equal(t, "80\n2\n3\nEurope/Berlin\n2026-07-01 14:00:00+02\n", out)
	})

	t.Run("interrupt", func(t *testing.T) {
		cmd := w.psqlCommand(t, "-c", endless)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		require.NoError(t, cmd.Start())
		w.awaitRunning(t, 1)
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		require.Error(t, cmd.Wait())
		require.Contains(t, errs.String(), "canceling statement due to user request")
	})
}

// whereOf says in SQL what selectors say.
var whereOf = map[string]string{
	`{}`:                    "true",
	`{service_name="cart"}`: "service_name = 'cart'",
	`{pod="checkout-1"}`:    "labels['pod'] = 'checkout-1'",
	`{service_name!~"c.*"}`: "service_name !~ '^c.*$'",
	`{service_name=~"cart|payments",pod!="cart-0"}`: "service_name ~ '^(cart|payments)$' and labels['pod'] <> 'cart-0'",
}
