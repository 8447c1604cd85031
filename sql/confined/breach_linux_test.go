package confined

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/stackhouse-db/stackhouse/sql/engine"
)

const canary = "canary-of-another-tenant"

// TestRawStatementsCannotLeave: nobody checked the statements, nothing is locked, and
// DuckDB is told that every folder is allowed: what is left is the process.
func TestRawStatementsCannotLeave(t *testing.T) { // not parallel: it sets the environment
	mine, other, temp := t.TempDir(), t.TempDir(), t.TempDir()
	write := func(dir, name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644)) //nolint:gosec // readable by everybody, that is the point
		return path
	}
	write(mine, "mine.csv", "a\nown\n")
	secret := write(other, "secret.csv", "a\n"+canary+"\n")
	require.NoError(t, os.Symlink(secret, filepath.Join(mine, "link.csv")))
	database := filepath.Join(other, "secret.duckdb")
	makeDatabase(t, database)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	t.Setenv("STACKHOUSE_CANARY", canary)

	p := openProcess(t, func(in *Instance) {
		in.ReadDirs, in.TempDir, in.engineDirs = []string{mine}, temp, []string{"/"}
	})
	got, err := all(t.Context(), p, "SELECT a FROM read_csv('"+mine+"/mine.csv')")
	require.NoError(t, err, "the control: what it may, it can")
	require.Equal(t, []string{"own"}, got)

	parent := strconv.Itoa(os.Getpid())
	attempts := []string{
		// another tenant's files, by every way there is to a file
		"SELECT * FROM read_csv('" + secret + "')",
		"SELECT * FROM read_csv_auto('" + secret + "')",
		"SELECT content FROM read_text('" + secret + "')",
		"SELECT content::VARCHAR FROM read_blob('" + secret + "')",
		"SELECT * FROM '" + secret + "'",
		"SELECT * FROM sniff_csv('" + secret + "')",
		"SELECT * FROM read_json_auto('" + secret + "')",
		"SELECT * FROM read_ndjson_objects('" + secret + "')",
		"SELECT * FROM read_parquet('" + secret + "')",
		"SELECT * FROM parquet_metadata('" + secret + "')",
		"SELECT content FROM read_text('" + other + "/*')",
		"SELECT content FROM read_text('" + mine + "/../" + filepath.Base(other) + "/secret.csv')",
		"SELECT content FROM read_text('" + mine + "/link.csv')",
		"SELECT content FROM read_text('/proc/self/root" + secret + "')",
		"SELECT content FROM read_text('/proc/self/cwd" + secret + "')",
		"SELECT content FROM read_text('/proc/" + parent + "/root" + secret + "')",
		"ATTACH '" + database + "' AS stolen (READ_ONLY); SELECT * FROM stolen.t",
		"ATTACH '" + database + "' AS stolen; SELECT * FROM stolen.t",
		"CREATE TABLE x (a VARCHAR); COPY x FROM '" + secret + "'; SELECT * FROM x",
		"IMPORT DATABASE '" + other + "'",
		// the system's
		"SELECT content FROM read_text('/etc/passwd')",
		"SELECT content FROM read_text('/etc/hostname')",
		"SELECT content FROM read_text('/proc/version')",
		"SELECT content FROM read_text('/proc/self/environ')",
		"SELECT content FROM read_text('/proc/self/cmdline')",
		"SELECT content FROM read_text('/proc/self/maps')",
		"SELECT content FROM read_text('/proc/self/status')",
		"SELECT content FROM read_text('/proc/" + parent + "/environ')",
		"SELECT content FROM read_text('/proc/" + parent + "/cmdline')",
		"SELECT content FROM read_text('/proc/" + parent + "/maps')",
		"SELECT content FROM read_blob('/proc/self/mem')",
		"SELECT content FROM read_text('/proc/1/cmdline')",
		"SELECT content FROM read_text('/proc/net/tcp')",
		"SELECT content FROM read_text('/sys/kernel/notes')",
		"SELECT content FROM read_blob('/dev/mem')",
		"SELECT content FROM read_text('/var/log/dpkg.log')",
		// writing
		"COPY (SELECT 1) TO '" + other + "/out.csv'",
		"COPY (SELECT 1) TO '" + mine + "/out.csv'",
		"COPY (SELECT 1) TO '" + secret + "'",
		"COPY (SELECT 1) TO '/tmp/stackhouse-breach.csv'",
		"COPY (SELECT 1) TO '/dev/shm/stackhouse-breach.csv'",
		"COPY (SELECT 1) TO '/proc/self/comm'",
		"EXPORT DATABASE '" + other + "/export'",
		"ATTACH '" + other + "/new.duckdb' AS n; CREATE TABLE n.t AS SELECT 1",
		"SET temp_directory = '" + other + "'; SELECT count(*) FROM (SELECT range::VARCHAR || repeat('x', 100) AS a FROM range(8000000) ORDER BY a)",
		// the network, and code
		"SELECT * FROM read_csv('http://" + ln.Addr().String() + "/x.csv')",
		"ATTACH 'http://" + ln.Addr().String() + "/x.duckdb' AS h",
		"INSTALL httpfs",
		"INSTALL httpfs FROM 'http://" + ln.Addr().String() + "'",
		"LOAD httpfs",
		"LOAD '" + secret + "'",
		"SELECT getenv('STACKHOUSE_CANARY')",
		"CALL enable_logging(storage = 'file', storage_config = {'path': '" + other + "'}); SELECT 1",
	}
	require.GreaterOrEqual(t, len(attempts), 45)
	for _, text := range attempts {
		t.Run(text[:min(len(text), 60)], func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			rows, err := allOf(ctx, p, text)
			assert.NotContains(t, strings.Join(rows, "\n"), canary)
			if err == nil { // DuckDB takes a file that it cannot see for one that is not there
				assert.True(t, strings.HasPrefix(text, "SELECT"), "it did it")
				assert.Empty(t, rows)
			}
		})
	}
	require.NoFileExists(t, "/tmp/stackhouse-breach.csv")
	require.NoFileExists(t, "/dev/shm/stackhouse-breach.csv")
	for _, dir := range []string{mine, other} {
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Len(t, files, 2, dir)
	}
	text, err := os.ReadFile(secret)
	require.NoError(t, err)
	assert.Contains(t, string(text), canary)
	require.NoError(t, ln.(*net.TCPListener).SetDeadline(time.Now().Add(10*time.Millisecond)))
	_, err = ln.Accept()
	require.Error(t, err, "somebody called")
}

// allOf runs the statements of a text one after the other.
func allOf(ctx context.Context, p *Process, text string) (rows []string, err error) {
	for one := range strings.SplitSeq(text, "; ") {
		if rows, err = all(ctx, p, one); err != nil {
			return rows, err
		}
	}
	return rows, err
}

func makeDatabase(t *testing.T, path string) {
	t.Helper()
	i, err := engine.OpenInstance(engine.Options{Threads: 1, AllowedDirs: []string{filepath.Dir(path)}})
	require.NoError(t, err)
	defer i.Close()
	require.NoError(t, i.Exec(t.Context(), "ATTACH '"+path+"' AS d; CREATE TABLE d.t AS SELECT '"+canary+"' AS a; DETACH d"))
}

// TestBrokenInProcessCannotLeave: whoever runs code in the process, by a hole in
// DuckDB, is still in it. The process confines itself and tries.
func TestBrokenInProcessCannotLeave(t *testing.T) {
	t.Parallel()
	mine, other := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(other, "secret"), []byte(canary), 0o644)) //nolint:gosec // readable by everybody
	require.NoError(t, os.WriteFile(filepath.Join(mine, "own"), []byte("own"), 0o600))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, breachArgument, mine, other+","+ln.Addr().String())
	cmd.Env = []string{}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Run(), errs.String())
	var results map[string]string
	require.NoError(t, json.Unmarshal(out.Bytes(), &results), out.String())
	require.GreaterOrEqual(t, len(results), 25)
	for name, result := range results {
		if name == "control" {
			assert.Equal(t, "done", result)
			continue
		}
		assert.NotEqual(t, "done", result, name)
	}
}

// breach confines this process and tries to leave; it prints what each attempt gave.
func breach(mine, where string) int {
	other, address, _ := strings.Cut(where, ",")
	results := map[string]string{}
	try := func(name string, fn func() error) {
		if err := fn(); err != nil {
			results[name] = err.Error()
			return
		}
		results[name] = "done"
	}
	report, err := confine(&openRequest{ReadDirs: []string{mine}, MaxTempBytes: 1 << 20, Niceness: 10})
	if err != nil || !report.Seccomp || report.Landlock == 0 {
		fmt.Fprintln(os.Stderr, report, err)
		return 1
	}
	call := func(number uintptr, args ...uintptr) func() error {
		var a [6]uintptr
		copy(a[:], args)
		return func() error {
			r, _, errno := syscall.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
			if errno != 0 {
				return errno
			}
			if number == unix.SYS_CLONE && r == 0 {
				os.Exit(0)
			}
			return nil
		}
	}
	read := func(path string) func() error {
		return func() error { _, err := os.ReadFile(path); return err } //nolint:gosec // the attempt
	}
	parent := os.Getppid()
	path := func(s string) uintptr { p, _ := syscall.BytePtrFromString(s); return uintptr(unsafe.Pointer(p)) } //nolint:gosec // for system calls

	try("control", read(filepath.Join(mine, "own")))
	try("other tenant's file", read(filepath.Join(other, "secret")))
	try("by the parent's root", read(fmt.Sprintf("/proc/%d/root%s/secret", parent, other)))
	try("parent's environment", read(fmt.Sprintf("/proc/%d/environ", parent)))
	try("parent's memory", read(fmt.Sprintf("/proc/%d/maps", parent)))
	try("list of the other folder", func() error { _, err := os.ReadDir(other); return err })
	try("write to the own folder", func() error { return os.WriteFile(filepath.Join(mine, "new"), nil, 0o600) })
	try("remove from it", func() error { return os.Remove(filepath.Join(mine, "own")) })
	try("link out of it", func() error { return os.Symlink(other, filepath.Join(mine, "out")) })
	try("write elsewhere", func() error { return os.WriteFile("/tmp/stackhouse-breach", nil, 0o600) })
	try("dial", func() error { _, err := net.Dial("tcp", address); return err })
	try("listen", func() error { _, err := net.Listen("tcp", "127.0.0.1:0"); return err })
	try("unix socket", func() error { _, err := net.Listen("unix", "@stackhouse-breach"); return err })
	try("datagram", func() error { _, err := net.Dial("udp", "127.0.0.1:53"); return err })
	try("signal the parent", func() error { return syscall.Kill(parent, syscall.SIGCONT) })
	try("signal by thread", call(unix.SYS_TGKILL, uintptr(parent), uintptr(parent), uintptr(syscall.SIGCONT))) //nolint:gosec // pids
	try("signal by file", call(unix.SYS_PIDFD_OPEN, uintptr(parent), 0))                                       //nolint:gosec // likewise
	try("trace the parent", func() error { return syscall.PtraceAttach(parent) })
	try("read its memory", call(unix.SYS_PROCESS_VM_READV, uintptr(parent), 0, 0, 0, 0, 0)) //nolint:gosec // likewise
	try("program", func() error { return exec.Command("/bin/true").Run() })
	try("replace itself", func() error { return syscall.Exec("/bin/true", []string{"true"}, nil) })
	try("fork", call(unix.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0))
	try("fork, the new way", call(unix.SYS_CLONE3, 0, 0))
	try("namespace", func() error { return syscall.Unshare(syscall.CLONE_NEWUSER) })
	try("mount", func() error { return syscall.Mount("none", mine, "tmpfs", 0, "") })
	try("root folder", func() error { return syscall.Chroot(mine) })
	try("other user", call(unix.SYS_SETUID, 1))
	try("clock", func() error { return syscall.Settimeofday(&syscall.Timeval{Sec: 1}) })
	try("kernel module", call(unix.SYS_FINIT_MODULE, 0, path(""), 0))
	try("bpf", call(unix.SYS_BPF, 0, 0, 0))
	try("io_uring", call(unix.SYS_IO_URING_SETUP, 1, 0))
	try("userfaultfd", call(unix.SYS_USERFAULTFD, 0))
	try("perf", call(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, 0, 0))
	try("file without a name", call(unix.SYS_MEMFD_CREATE, path("x"), 0))
	try("device", func() error { return syscall.Mknod(filepath.Join(mine, "dev"), syscall.S_IFCHR, 0x101) })
	try("open by handle", call(unix.SYS_OPEN_BY_HANDLE_AT, 3, 0, 0))
	try("keys", call(unix.SYS_KEYCTL, 0, 0, 0))
	try("reboot", call(unix.SYS_REBOOT, 0, 0, 0, 0))
	try("more files than allowed", func() error {
		return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20})
	})
	try("core files", func() error {
		return syscall.Setrlimit(unix.RLIMIT_CORE, &syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20})
	})
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		return 1
	}
	return 0
}
