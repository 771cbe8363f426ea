package bcc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/kernel"
	"opensnoop/internal/proc"
)

const (
	// compileTime is how long a compilation may take. In an emulated machine with
	// others beside it, it takes half a minute.
	compileTime = 3 * time.Minute

	// endTime is how long a compiler that has replied stays.
	endTime = 200 * time.Millisecond

	// replyMax and messagesMax bound what is taken from the compiler, in bytes.
	replyMax    = 4 << 20
	messagesMax = 256 << 10
)

// early begins what internal/proc says of limits before Go's runtime starts, or as it starts a
// thread.
const early = "opensnoop: "

// process is a compiler process.
type process struct {
	cmd      *exec.Cmd
	ctx      context.Context
	cancel   context.CancelFunc
	request  *os.File // to it
	reply    *os.File // from it
	messages *messages
}

// startCompiler starts a compiler process. It loads libbcc, which takes a while, before it
// wants its request.
func startCompiler(ctx context.Context) (_ *process, err error) {
	if err := proc.CheckCompiler(); err != nil {
		return nil, failure(err)
	}
	p := &process{messages: new(messages)}
	p.ctx, p.cancel = context.WithTimeoutCause(ctx, compileTime, fmt.Errorf("it had not ended after %v", compileTime))
	p.cmd = compilerCommand(p.ctx, p.messages)
	var stdin, replyTo *os.File
	defer func() {
		stdin.Close()
		replyTo.Close()
		if err != nil {
			p.cancel()
			p.request.Close()
			p.reply.Close()
		}
	}()
	if stdin, p.request, err = os.Pipe(); err != nil {
		return nil, startError(err)
	}
	if p.reply, replyTo, err = os.Pipe(); err != nil {
		return nil, startError(err)
	}
	p.cmd.Stdin = stdin
	// The compiler itself may have no right to open the types. Where there are none, something of no
	// size takes their descriptor: it would be that of a library which is being loaded.
	p.cmd.ExtraFiles = []*os.File{replyTo}
	for _, types := range kernel.TypesFiles() {
		defer types.Close()
		if types == nil {
			types = stdin
		}
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, types)
	}
	// The signal that ends the child when we end is sent at the end of the thread
	// that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		return nil, startError(err)
	}
	return p, nil
}

// serve has the process serve a request, its only one, and returns its reply. A process
// that has replied ends on its own, later: giving back 100 MB takes a while, in which
// tracing would have to wait for the CPU.
func (p *process) serve(req *request) ([]byte, error) {
	defer p.reply.Close()
	if input, err := json.Marshal(req); err == nil {
		_, _ = p.request.Write(input) // why it is not there to read it, its end will tell
	}
	data, readErr := io.ReadAll(io.LimitReader(p.reply, replyMax))
	if readErr == nil && json.Valid(data) {
		time.AfterFunc(endTime, func() {
			p.request.Close()
			_ = p.cmd.Wait() // it has done its work
			p.cancel()
		})
		return data, nil
	}
	p.request.Close()
	waitErr := p.cmd.Wait()
	cause := context.Cause(p.ctx)
	p.cancel()
	if p.ctx.Err() != nil && cause != nil {
		e := failure(cause)
		e.Messages = p.messages.String()
		return nil, e
	}
	return nil, died(waitErr, p.messages.String())
}

// stop ends a process that was not asked.
func (p *process) stop() {
	p.cancel()
	p.request.Close()
	p.reply.Close()
	_ = p.cmd.Wait()
}

// compilerCommand is this program as a compiler: with next to no environment, out of
// reach of the terminal's signals, and gone when we are.
func compilerCommand(ctx context.Context, messages io.Writer) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{compilerName}
	// One thread suffices, it leaves no garbage to speak of, and a crash of libbcc's
	// is told by its signal.
	cmd.Env = []string{"GOGC=off", "GOMAXPROCS=1", "GOTRACEBACK=none"}
	if path, ok := os.LookupEnv(libraryPath); ok {
		cmd.Env = append(cmd.Env, libraryPath+"="+path)
	}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	cmd.Stdout, cmd.Stderr = messages, messages
	cmd.WaitDelay = time.Second
	return cmd
}

func startError(err error) error {
	e := failure(fmt.Errorf("starting the compiler: %w", err))
	if e.Remedy = proc.LimitRemedy(err); errors.Is(err, os.ErrNotExist) {
		e.Remedy = "mount /proc"
	}
	return e
}

// died explains the end of a compiler that has not replied.
func died(err error, messages string) error {
	e := failure(err)
	e.Messages = messages
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if err == nil {
			e.Err = errors.New("it ended without a word")
		}
		return e
	}
	status, _ := exit.Sys().(syscall.WaitStatus)
	if said, ok := strings.CutPrefix(messages, early); ok && !status.Signaled() {
		e.Err, e.Messages = proc.LimitError(said), ""
		return e
	}
	if !status.Signaled() {
		e.Err = fmt.Errorf("it ended with status %d", exit.ExitCode())
		return e
	}
	e.Err = fmt.Errorf("it was ended by the signal %d (%s)", int(status.Signal()), unix.SignalName(status.Signal()))
	switch status.Signal() {
	case unix.SIGKILL:
		e.Err = proc.LimitError(e.Err.Error())
		e.Remedy = "if nobody killed it, memory was short: it needs some 100 MB (a cgroup's limit may leave less)"
	case unix.SIGXCPU:
		e.Remedy = "raise the limit of CPU time (ulimit -t)"
	default:
		e.Remedy = "memory (ulimit -v) or files (ulimit -n) may be short, or LLVM not fit libbcc: see opensnoop doctor"
	}
	return e
}

// messages take what the compiler prints, up to messagesMax bytes.
type messages struct {
	mu   sync.Mutex
	text []byte
}

func (m *messages) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.text = append(m.text, p[:min(len(p), messagesMax-len(m.text))]...)
	return len(p), nil
}

// String returns what was printed, without blanks around it.
func (m *messages) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.TrimSpace(string(m.text))
}
