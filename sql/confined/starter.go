package confined

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Options say how processes are started. The zero value of a budget is its default.
type Options struct {
	// Command is the program and its arguments: one whose main function calls [Exit].
	Command []string

	// OverheadBytes is what a process may have beyond the memory of its instance
	// before it is killed: the runtimes, and what DuckDB takes without counting it.
	// Default 256 MiB.
	OverheadBytes int64

	// Niceness lowers the priority of processes. Default 10; negative is none.
	Niceness int

	Logger *slog.Logger // nil discards
}

// Starter starts processes, and keeps one that is started and not opened, so that the
// next one is there at once.
//
// Concurrency: safe for concurrent use. It has a goroutine from the first Open to
// Close: a process is sent SIGKILL when the thread that started it ends, so that thread
// stays.
type Starter struct {
	opts   Options
	starts chan startCall

	mu struct {
		sync.Mutex
		spare    *Process
		live     map[*Process]struct{} // opened and not closed
		filling  bool
		started  bool
		closed   bool
		reported bool
		ended    sync.WaitGroup // the goroutine, and those that fill
	}
}

type startCall struct {
	cmd  *exec.Cmd
	done chan error
}

// NewStarter starts nothing.
func NewStarter(opts Options) (*Starter, error) {
	if len(opts.Command) == 0 {
		return nil, warehouse.Errorf(warehouse.Invalid, "new starter of workers: a command is needed")
	}
	if opts.OverheadBytes == 0 {
		opts.OverheadBytes = 256 << 20
	}
	if opts.Niceness == 0 {
		opts.Niceness = 10
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Starter{opts: opts, starts: make(chan startCall)}, nil
}

// Instance says which instance a process opens.
type Instance struct {
	Threads      int
	MemoryBytes  int64
	TempDir      string   // an own folder, which the process may write; "" is none
	MaxTempBytes int64    // of one file, and of all
	ReadDirs     []string // folders that it may read; those that do not exist are left out
	Settings     []Setting

	engineDirs []string // of tests: DuckDB lets more through than the process may
}

// Open opens an instance in a process of its own.
func (s *Starter) Open(ctx context.Context, in Instance) (*Process, error) {
	p, err := s.take()
	if err != nil {
		return nil, err
	}
	p.maxBytes = in.MemoryBytes + s.opts.OverheadBytes
	req := openRequest{
		Threads: in.Threads, MemoryBytes: in.MemoryBytes, TempDir: in.TempDir, MaxTempBytes: in.MaxTempBytes, Settings: in.Settings,
		// What counts here is more than what is in memory: thread stacks, and what
		// allocators keep. The watch is exact; this holds between two looks.
		DataBytes: p.maxBytes + p.maxBytes/2, Niceness: max(s.opts.Niceness, 0),
	}
	req.EngineDirs = in.engineDirs
	for _, dir := range in.ReadDirs {
		if abs, err := filepath.Abs(dir); err == nil {
			req.ReadDirs = append(req.ReadDirs, abs)
		}
	}
	report, err := p.open(ctx, req)
	if err != nil {
		p.Close()
		return nil, err
	}
	s.report(report)
	p.onClose = s.forget
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.live == nil {
		s.mu.live = map[*Process]struct{}{}
	}
	s.mu.live[p] = struct{}{}
	return p, nil
}

func (s *Starter) forget(p *Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.live, p)
}

// Kill ends all processes at once, whatever they do. Their owners close them.
func (s *Starter) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.mu.live {
		p.kill(errClosed)
	}
}

// report logs once what processes are confined by.
func (s *Starter) report(r Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.reported {
		return
	}
	s.mu.reported = true
	log := s.opts.Logger.Info
	if r.Problem != "" {
		log = s.opts.Logger.Warn
	}
	log("statements run in processes of their own", "landlock", r.Landlock, "seccomp", r.Seccomp, "problem", r.Problem)
}

// take returns the spare process, or a new one, and has the next spare one started.
func (s *Starter) take() (*Process, error) {
	s.mu.Lock()
	if s.mu.closed {
		s.mu.Unlock()
		return nil, errClosed
	}
	p := s.mu.spare
	s.mu.spare = nil
	if !s.mu.started {
		s.mu.started = true
		s.mu.ended.Go(s.start)
	}
	if !s.mu.filling {
		s.mu.filling = true
		s.mu.ended.Go(s.fill)
	}
	s.mu.Unlock()
	if p != nil && !p.hasEnded() {
		return p, nil
	}
	return s.spawn()
}

var errClosed = warehouse.Errorf(warehouse.Unavailable, "start worker: the server is stopping")

// fill starts the spare process.
func (s *Starter) fill() {
	p, err := s.spawn()
	s.mu.Lock()
	s.mu.filling = false
	if err == nil && !s.mu.closed && s.mu.spare == nil {
		s.mu.spare, p = p, nil
	}
	s.mu.Unlock()
	if p != nil {
		p.Close()
	}
}

// start starts processes, all from one thread.
func (s *Starter) start() {
	runtime.LockOSThread() // for ever: the thread ends with the goroutine
	for call := range s.starts {
		call.done <- call.cmd.Start()
	}
}

// spawn starts a process.
func (s *Starter) spawn() (*Process, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, warehouse.Errorf(warehouse.Unavailable, "start worker: %w", err)
	}
	defer theirs.Close()
	cmd := exec.Command(s.opts.Command[0], s.opts.Command[1:]...)
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = childAttributes()
	var last lastWords
	cmd.Stderr = &last
	call := startCall{cmd, make(chan error, 1)}
	if err := s.send(call); err != nil {
		_ = ours.Close()
		return nil, err
	}
	if err := <-call.done; err != nil {
		_ = ours.Close()
		return nil, warehouse.Errorf(warehouse.Unavailable, "start worker: %w", err)
	}
	return newProcess(cmd, ours, &last), nil
}

// send hands a call to the thread that starts processes, unless there is none any
// more.
func (s *Starter) send(call startCall) (err error) {
	defer func() {
		if recover() != nil { // closed meanwhile
			err = errClosed
		}
	}()
	s.starts <- call
	return nil
}

// Close ends the spare process. Processes that were opened are their owners'.
func (s *Starter) Close() error {
	s.mu.Lock()
	if s.mu.closed {
		s.mu.Unlock()
		return nil
	}
	s.mu.closed = true
	p := s.mu.spare
	s.mu.spare = nil
	s.mu.Unlock()
	if p != nil {
		p.Close()
	}
	close(s.starts)
	s.mu.ended.Wait()
	return nil
}

// socketPair returns the two ends of a connection that no other process inherits.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, err
	}
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
	if err := syscall.SetNonblock(fds[0], true); err != nil { // so that reads end with Close
		return nil, nil, errors.Join(err, syscall.Close(fds[0]), syscall.Close(fds[1]))
	}
	return os.NewFile(uintptr(fds[0]), "worker"), os.NewFile(uintptr(fds[1]), "parent"), nil //nolint:gosec // file descriptors are positive
}

// lastWords keeps the beginning of what a process says, which is the reason of its end.
type lastWords struct {
	mu   sync.Mutex
	text []byte
}

func (l *lastWords) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	const most = 4 << 10
	l.text = append(l.text, p[:min(len(p), most-len(l.text))]...)
	return len(p), nil
}

func (l *lastWords) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}
