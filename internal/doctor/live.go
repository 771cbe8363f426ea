package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"opensnoop/bpf"
	"opensnoop/internal/bcc"
	"opensnoop/internal/event"
	"opensnoop/internal/kernel"
	"opensnoop/internal/object"
	"opensnoop/internal/probe"
	"opensnoop/internal/trace"
)

// liveTime is how long a live check waits for its event.
const liveTime = 20 * time.Second

// LiveCheck is how a BPF program did that was run for real.
type LiveCheck struct {
	Name   string  `json:"name"`
	Status Status  `json:"status"` // OK or Fail
	Hook   string  `json:"hook,omitempty"`
	Note   string  `json:"note,omitempty"` // what is other than it should be
	Stages []Stage `json:"stages"`         // up to the one that failed, in order
	Seen   string  `json:"seen,omitempty"` // the event, as it came
}

// Stage is a step of the way of an event.
type Stage struct {
	Name         string  `json:"name"`
	Milliseconds float64 `json:"milliseconds"`
	Error        string  `json:"error,omitempty"`
	Messages     string  `json:"messages,omitempty"` // the compiler's or verifier's own words
}

// The stages, in order.
const (
	compiled = string(trace.Compiled)
	loaded   = string(trace.Loaded)
	attached = string(trace.Attached)
	seen     = "event seen"
	detached = "detached"
)

// errNotTried is the error of live checks that would fail for want of rights.
var errNotTried = errors.New("not tried")

// Live runs three programs of growing strength, each on the way that the one
// before has shown to work, and looks for an event that it makes itself: a clone
// and an open that are printed through trace_pipe, and an open that the tracer
// itself records. Nothing of it remains on the machine.
func Live(s *System) []LiveCheck {
	symbol := probe.OpenSymbol(s.Version)
	if found := symbolToHook(s); found.Status == OK {
		symbol, _, _ = strings.Cut(found.Found, ",")
	}
	return []LiveCheck{
		runPrinter(s, printer{
			name:    "hello on clone, through trace_pipe",
			source:  bpf.Hello,
			program: "hello",
			symbol:  cloneSymbol(),
			syscall: unix.SYS_CLONE,
			text:    func(thread string) string { return "Hello, World! " + thread },
			trigger: func(string) {
				// A child that ends because it can execute nothing.
				syscall.ForkExec("/", []string{"/"}, &syscall.ProcAttr{})
			},
		}),
		runPrinter(s, printer{
			name:    "open, through trace_pipe",
			source:  bpf.Open,
			program: "open_file",
			symbol:  symbol,
			syscall: unix.SYS_OPENAT,
			text:    func(thread string) string { return "file=/" + thread },
			trigger: func(thread string) {
				if fd, err := unix.Open("/"+thread, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
					unix.Close(fd)
				}
			},
		}),
		tracing(s),
	}
}

// cloneSymbol is the kernel function of clone(2), since Linux 4.17.
func cloneSymbol() string {
	if runtime.GOARCH == "arm64" {
		return "__arm64_sys_clone"
	}
	return "__x64_sys_clone"
}

// staged runs the stages of a live check.
type staged struct {
	check *LiveCheck
	began time.Time
}

func stages(c *LiveCheck) *staged { return &staged{c, time.Now()} }

// end ends a stage with its result, and tells whether the next can follow.
func (s *staged) end(name string, err error) bool {
	stage := Stage{Name: name, Milliseconds: float64(time.Since(s.began).Microseconds()) / 1000}
	if err != nil {
		s.check.Status = Fail
		stage.Error = err.Error()
		if failed := (*object.Error)(nil); errors.As(err, &failed) {
			stage.Messages = failed.Messages
		}
	}
	s.check.Stages = append(s.check.Stages, stage)
	s.began = time.Now()
	return err == nil
}

// printer is a program that prints into trace_pipe.
type printer struct {
	name    string
	source  string
	program string                     // the function in source
	symbol  string                     // the kernel function to hook
	syscall int                        // the system call that comes to it
	text    func(thread string) string // what it prints of a thread
	trigger func(thread string)        // makes it print
}

// runPrinter runs a program that prints.
func runPrinter(s *System, p printer) LiveCheck {
	c := LiveCheck{Name: p.name, Status: OK}
	st := stages(&c)
	if missing := s.Capabilities.Missing(s.Version); len(missing) > 0 {
		st.end(compiled, fmt.Errorf("%w: missing %s", errNotTried, strings.Join(missing, ", ")))
		return c
	}
	thread := uniqueName()
	kind := ebpf.Kprobe
	c.Hook = "kprobe on " + p.symbol
	var comm [16]byte
	copy(comm[:], thread)
	flags := []string{
		fmt.Sprintf("-DTHREAD_0=%#xULL", binary.NativeEndian.Uint64(comm[:8])),
		fmt.Sprintf("-DTHREAD_1=%#xULL", binary.NativeEndian.Uint64(comm[8:])),
	}
	if kernel.Kprobes(s.Root) != nil {
		kind = ebpf.RawTracepoint
		flags = append(flags, "-DPROBE_TRACEPOINT", fmt.Sprintf("-DSYSCALL=%d", p.syscall))
		c.Hook = "raw tracepoint sys_enter"
		c.Note = fmt.Sprintf("this kernel has no kprobes: the raw tracepoint sys_enter stands in for one on %s", p.symbol)
	}

	pipe, pipeErr := openTracePipe()
	st.began = time.Now()
	module, err := compileFresh(bcc.Source{Code: p.source, Headers: bpf.Headers(), Flags: flags})
	var own []ebpf.ProgramID
	if st.end(compiled, err) {
		own = p.run(st, module, &printing{kind, thread, pipe, pipeErr})
	}
	if pipeErr == nil {
		if err := pipe.Close(own...); err != nil {
			c.Note = strings.TrimPrefix(c.Note+"; "+err.Error(), "; ")
		}
	}
	return c
}

// compileFresh compiles a source whatever the cache has, and makes its maps.
func compileFresh(src bcc.Source) (*object.Module, error) {
	facts, err := kernel.CurrentFacts()
	if err != nil {
		return nil, err
	}
	result, err := trace.NewCompiler(facts, nil).Compile(context.Background(), src)
	if err != nil {
		return nil, err
	}
	return result.Object.Create(object.Options{Version: facts.Version})
}

// printing is how a program that prints is run.
type printing struct {
	kind    ebpf.ProgramType
	thread  string // its name
	pipe    *tracePipe
	pipeErr error // why there is no pipe
}

// run goes on from a compiled program, and returns its id.
func (p *printer) run(st *staged, module *object.Module, how *printing) (own []ebpf.ProgramID) {
	defer func() {
		st.began = time.Now()
		st.end(detached, module.Close())
	}()
	if !st.end(loaded, module.Load(p.program, how.kind)) {
		return nil
	}
	if id, err := module.ProgramID(p.program); err == nil {
		own = append(own, id)
	}
	st.began = time.Now()
	var err error
	if how.kind == ebpf.Kprobe {
		err = module.AttachKprobe(p.symbol, p.program)
	} else {
		err = module.AttachRawTracepoint("sys_enter", p.program)
	}
	if !st.end(attached, err) {
		return own
	}
	if how.pipeErr != nil {
		st.end(seen, how.pipeErr)
		return own
	}
	if err := asThread(how.thread, func() { p.trigger(how.thread) }); err != nil {
		st.end(seen, err)
		return own
	}
	raw, _, err := how.pipe.Find(p.text(how.thread), time.Now().Add(liveTime))
	st.check.Seen = raw
	st.end(seen, err)
	return own
}

// tracing runs the tracer itself. It does not show its own opens, so a child makes
// one.
func tracing(s *System) LiveCheck {
	c := LiveCheck{Name: "opensnoop's own, through the perf buffer", Status: OK}
	st := stages(&c)
	steps := []trace.Step{trace.Compiled, trace.Loaded, trace.Attached}
	done := 0
	session, err := trace.Open(context.Background(), trace.Options{Reached: func(step trace.Step) {
		if step == trace.Compiled { // again, for the next probe
			c.Stages, done = nil, 0
		}
		st.end(string(step), nil)
		done++
	}})
	if err != nil {
		st.end(string(steps[min(done, len(steps)-1)]), err)
		return c
	}
	defer session.Close()
	c.Hook = session.Hook()
	if passed := session.Rejected(); len(passed) > 0 {
		c.Note = "not used: " + strings.Join(passed, "; ")
	}

	st.began = time.Now()
	name := "/" + uniqueName()
	ctx, cancel := context.WithTimeout(context.Background(), liveTime)
	defer cancel()
	errs := make(chan error, 1)
	go func() {
		// The shell cannot open it, and says so on its stderr, which goes nowhere.
		var exit *exec.ExitError
		err := exec.CommandContext(ctx, "/bin/sh", "-c", `: <"$0"`, name).Run()
		if errors.As(err, &exit) {
			err = nil
		}
		errs <- err
	}()
	_, err = session.Run(ctx, trace.Handler{
		Event: func(e *event.Event) error {
			if c.Seen == "" && string(e.Name) == name {
				c.Seen = fmt.Sprintf("%.9f %s %d %s", float64(e.Time)/1e9, e.Comm, e.TGID, e.Name)
				st.end(seen, nil)
				cancel()
			}
			return nil
		},
		Flush:  func() error { return nil },
		Lost:   func(trace.Losses) {},
		Silent: func(error) {},
	})
	if c.Seen == "" {
		if startErr := <-errs; startErr != nil {
			err = errors.Join(err, fmt.Errorf("opening a file through /bin/sh: %w", startErr))
		}
		st.end(seen, errors.Join(err, fmt.Errorf("no event came within %v", liveTime)))
		return c
	}
	st.end(detached, errors.Join(err, session.Close()))
	return c
}

// uniqueName is a name that no thread or file has by chance, short enough for a
// thread.
func uniqueName() string {
	b := make([]byte, 4)
	rand.Read(b) // never fails
	return "doctor-" + hex.EncodeToString(b)
}

// asThread runs f on a thread of that name.
func asThread(name string, f func()) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Kept open, so that the thread opens nothing under that name but what f does.
	file, err := os.OpenFile(fmt.Sprintf("/proc/self/task/%d/comm", unix.Gettid()), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("naming a thread: %w", err)
	}
	defer file.Close()
	before, err := io.ReadAll(file)
	if err != nil {
		return fmt.Errorf("naming a thread: %w", err)
	}
	if _, err := file.WriteString(name); err != nil {
		return fmt.Errorf("naming a thread: %w", err)
	}
	defer file.Write(bytes.TrimSuffix(before, []byte("\n")))
	f()
	return nil
}
