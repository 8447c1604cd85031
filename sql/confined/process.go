package confined

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Setting is one of DuckDB's.
type Setting = engine.Setting

// interruptPatience is how long a call may go on after its context has ended, before
// its process is killed: DuckDB cannot always be stopped.
const interruptPatience = time.Second

// Process is an instance of DuckDB in a process of its own. It has the methods of
// [engine.Instance].
//
// Concurrency: one call at a time.
type Process struct {
	cmd      *exec.Cmd
	conn     *os.File
	read     *bufio.Reader
	stderr   *lastWords
	maxBytes int64 // of its memory
	number   uint32
	writing  sync.Mutex // one frame at a time

	broken atomic.Bool
	killed atomic.Pointer[error] // why we killed it
	ended  chan struct{}         // closed when it has
	once   sync.Once

	onClose func(*Process) // nil: nobody wants to know
}

func newProcess(cmd *exec.Cmd, conn *os.File, stderr *lastWords) *Process {
	p := &Process{cmd: cmd, conn: conn, read: bufio.NewReaderSize(conn, 64<<10), stderr: stderr, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // ProcessState says how it ended
	}()
	return p
}

// PID returns the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

func (p *Process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// kill ends the process for a reason, which is what calls then return.
func (p *Process) kill(why error) {
	p.broken.Store(true)
	p.killed.CompareAndSwap(nil, &why)
	_ = p.cmd.Process.Kill()
}

// Broken reports whether the instance refuses to go on, or is gone.
func (p *Process) Broken() bool { return p.broken.Load() || p.hasEnded() }

// Close ends the process and waits for its end. Closing twice is fine.
func (p *Process) Close() {
	p.once.Do(func() {
		p.broken.Store(true)
		_ = p.cmd.Process.Kill()
		<-p.ended
		_ = p.conn.Close()
		if p.onClose != nil {
			p.onClose(p)
		}
	})
}

func (p *Process) open(ctx context.Context, req openRequest) (Report, error) {
	body, err := p.call(ctx, askOpen, mustJSON(req))
	if err != nil {
		return Report{}, err
	}
	var r Report
	if err := json.Unmarshal(body, &r); err != nil {
		return Report{}, p.garbled(err)
	}
	return r, nil
}

// Exec runs statements, separated by semicolons, and drops their rows.
func (p *Process) Exec(ctx context.Context, text string) error {
	_, err := p.call(ctx, askExec, []byte(text))
	return err
}

// Text runs one statement and returns the only value of its only row, as text.
func (p *Process) Text(ctx context.Context, text string) (string, error) {
	body, err := p.call(ctx, askText, []byte(text))
	return string(body), err
}

// Describe parses and binds one statement, and does not run it.
func (p *Process) Describe(ctx context.Context, text string) (d engine.Description, err error) {
	body, err := p.call(ctx, askDescribe, []byte(text))
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return d, p.garbled(err)
	}
	return d, nil
}

// Lock makes the settings final, but for the time zone.
func (p *Process) Lock(ctx context.Context) error {
	_, err := p.call(ctx, askLock, nil)
	return err
}

// Append adds rows to a table.
func (p *Process) Append(ctx context.Context, database, schema, table string, rec arrow.RecordBatch) error {
	stream, err := encodeBatches(rec.Schema(), rec)
	if err != nil {
		return warehouse.Errorf(warehouse.Internal, "encode rows: %w", err)
	}
	head := mustJSON(appendRequest{database, schema, table})
	body := binary.AppendUvarint(nil, uint64(len(head)))
	_, err = p.call(ctx, askAppend, append(append(body, head...), stream...))
	return err
}

// Query starts one statement, and returns when its first rows are there.
//
// Ownership: the caller closes the rows.
func (p *Process) Query(ctx context.Context, text string) (*Rows, error) {
	body, err := p.call(ctx, askQuery, []byte(text))
	if err != nil {
		return nil, err
	}
	schema, _, err := decodeBatches(body)
	if err != nil {
		return nil, p.garbled(err)
	}
	return &Rows{process: p, schema: schema}, nil
}

// garbled kills a process whose answer makes no sense.
func (p *Process) garbled(err error) error {
	err = warehouse.Errorf(warehouse.Internal, "read the answer of a worker: %w", err)
	p.kill(err)
	return err
}

// call sends a request and waits for its answer. When ctx ends the request is
// interrupted; when that does not help, the process is killed.
func (p *Process) call(ctx context.Context, kind frameKind, body []byte) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ctxError(ctx)
	}
	p.number++
	number := p.number
	stop := p.watch(ctx, number)
	err := p.write(frame{kind, number, body})
	var f frame
	if err == nil {
		f, err = readFrame(p.read)
	}
	stop()
	if err != nil {
		return nil, p.died(ctx, err)
	}
	if f.number != number {
		return nil, p.garbled(errors.New("it is to another request"))
	}
	switch f.kind {
	case answerOK:
		return f.body, nil
	case answerDone:
		return nil, engine.ErrDone
	case answerError:
		err, broken := decodeError(f.body)
		if broken {
			p.broken.Store(true)
		}
		if ctx.Err() != nil {
			return nil, ctxError(ctx)
		}
		return nil, err
	}
	return nil, p.garbled(errors.New("it is of an unknown kind"))
}

// watchEvery is how often a process that works is looked at.
const watchEvery = 20 * time.Millisecond

// watch looks after a call until stop is called: it interrupts the call when ctx ends,
// kills the process when that does not help, and when it takes too much memory.
func (p *Process) watch(ctx context.Context, number uint32) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		canceled := ctx.Done()
		var patience <-chan time.Time
		for {
			select {
			case <-done:
				return
			case <-canceled:
				canceled = nil
				timer := time.NewTimer(interruptPatience)
				defer timer.Stop()
				patience = timer.C
				p.interrupt(number)
			case <-patience:
				p.kill(&Killed{Shortage: Patience, err: ctxError(ctx)})
				return
			case <-tick.C:
				if n := residentBytes(p.PID()); p.maxBytes > 0 && n > p.maxBytes {
					p.kill(&Killed{Shortage: Memory, err: warehouse.Errorf(warehouse.Limit, "the statement took %d MiB of memory, the limit is %d MiB", n>>20, p.maxBytes>>20)})
					return
				}
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

func (p *Process) write(f frame) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	return writeFrame(p.conn, f)
}

// interrupt asks the process to end the request. It does not wait for a request that
// is still being written: patience ends without it.
func (p *Process) interrupt(number uint32) {
	if p.writing.TryLock() {
		defer p.writing.Unlock()
		_ = writeFrame(p.conn, frame{kind: askInterrupt, number: number})
	}
}

// died says why a process does not answer.
func (p *Process) died(ctx context.Context, err error) error {
	p.broken.Store(true)
	_ = p.cmd.Process.Kill() // if it is only its end of the connection that is gone
	<-p.ended
	if why := p.killed.Load(); why != nil {
		return *why
	}
	if ctx.Err() != nil {
		return ctxError(ctx)
	}
	return p.verdict(err)
}

// verdict makes an error of how a process ended by itself.
func (p *Process) verdict(err error) error {
	state := p.cmd.ProcessState
	status, _ := state.Sys().(syscall.WaitStatus)
	said := p.stderr.String()
	k := &Killed{Shortage: Crash, err: warehouse.Errorf(warehouse.Limit, "the statement ended its worker (%s): %w", state, err), said: firstLine(said)}
	switch {
	case isOutOfMemory(said), status.Signal() == syscall.SIGKILL: // the latter by the system, when memory is short
		k.Shortage = Memory
	case status.Signal() == syscall.SIGXFSZ:
		k.Shortage = Space
	case status.Signal() == syscall.SIGXCPU:
		k.Shortage = Patience
	}
	return k
}
