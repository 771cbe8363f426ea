// Package command runs the command to trace: held until tracing is on, then
// released, signalled and waited for.
//
// A process has the command's pid from the start, but waits before it executes the
// command. It is no child that is traced by ptrace: a program with the setuid bit
// keeps its rights, and no setting of the Yama module matters.
package command

// #include "held.h"
import "C"

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"opensnoop/internal/proc"
)

// heldName is the name by which this program is a held command.
const heldName = C.HELD

// Options say what to run and how.
type Options struct {
	// Args are the command and its arguments. A name without a slash is looked for
	// as [exec.LookPath] does.
	Args []string

	// Stdout is the command's. Stdin and stderr are this process's.
	Stdout *os.File

	// AsRoot leaves the command root's also under sudo; otherwise it then is the
	// user's who called sudo.
	AsRoot bool
}

// Command is a command to trace. Its methods may be called at the same time.
type Command struct {
	cmd   *exec.Cmd
	path  string
	ended chan struct{}

	mu       sync.Mutex
	gate     *os.File // nil once it is released or shall end
	report   *os.File
	released bool
}

// Start starts a command and holds it before its first instruction. It opens
// nothing until it is released, and ends if this process does. If ctx ends before
// it is held, Start fails.
func Start(ctx context.Context, o Options) (*Command, error) {
	path := o.Args[0]
	if !strings.Contains(path, "/") {
		found, err := exec.LookPath(path)
		if err != nil {
			return nil, fmt.Errorf("starting the command: %w", err)
		}
		path = found
	}
	u, err := o.user()
	if err != nil {
		return nil, err
	}
	c := &Command{path: path, ended: make(chan struct{})}
	c.cmd = &exec.Cmd{
		Path:   "/proc/self/exe",
		Args:   append([]string{heldName, u.ids(), path}, o.Args...),
		Env:    u.environment(os.Environ()),
		Stdin:  os.Stdin,
		Stdout: o.Stdout,
		Stderr: os.Stderr,
	}
	if err := c.start(); err != nil {
		return nil, fmt.Errorf("starting the command: %w", proc.ExplainLimit(err))
	}
	stop := context.AfterFunc(ctx, c.Kill)
	err = c.hear()
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		c.Kill()
		return nil, fmt.Errorf("starting the command: %w", err)
	}
	return c, nil
}

// start starts the process that will be the command.
func (c *Command) start() error {
	var pipes [4]*os.File // read, write: the gate's, the report's
	for i := 0; i < len(pipes); i += 2 {
		var fds [2]int
		if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
			closeAll(pipes[:i])
			return fmt.Errorf("making a pipe: %w", err)
		}
		pipes[i], pipes[i+1] = os.NewFile(uintptr(fds[0]), "pipe"), os.NewFile(uintptr(fds[1]), "pipe")
	}
	c.gate, c.report = pipes[1], pipes[2]
	c.cmd.ExtraFiles = []*os.File{C.HELD_GATE - 3: pipes[0], C.HELD_REPORT - 3: pipes[3]}
	err := c.cmd.Start()
	closeAll(c.cmd.ExtraFiles)
	if err != nil {
		closeAll([]*os.File{c.gate, c.report})
		return err
	}
	go func() {
		_ = c.cmd.Wait() // how it ended is in its state
		close(c.ended)
	}()
	return nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// hear returns the next report as an error; nil if it says that the command is
// held.
func (c *Command) hear() error {
	var r [2]uint32
	if err := binary.Read(c.report, binary.NativeEndian, &r); err != nil {
		return errEnded
	}
	errno := unix.Errno(r[1])
	switch r[0] {
	case C.HELD_READY:
		return nil
	case C.HELD_RIGHTS:
		return fmt.Errorf("taking its user's rights: %w", errno)
	}
	return &os.PathError{Op: "exec", Path: c.path, Err: errno}
}

// errEnded is the end of the reports: the command is executed, or has ended before.
var errEnded = errors.New("it ended before it could run")

// PID is the command's process id, from the start.
func (c *Command) PID() int { return c.cmd.Process.Pid }

// Release lets the command run. The error is that of executing it. A command that
// ended before is none: Wait tells how.
func (c *Command) Release() error {
	c.mu.Lock()
	if c.gate != nil {
		_, _ = c.gate.Write([]byte{0}) // fails if the command has ended
	}
	c.shut()
	c.released = true
	c.mu.Unlock()
	err := c.hear()
	c.report.Close()
	if errors.Is(err, errEnded) {
		return nil
	}
	return fmt.Errorf("starting the command: %w", err)
}

// Released reports whether Release was called: the command then runs, or did.
func (c *Command) Released() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.released
}

// shut closes the gate. A command that is not released ends then.
func (c *Command) shut() {
	if c.gate != nil {
		c.gate.Close()
		c.gate = nil
	}
}

// Done is closed when the command has ended.
func (c *Command) Done() <-chan struct{} { return c.ended }

// Wait waits for the end of the command and returns the exit status that tells how
// it ended: its own, or 128 and the number of the signal.
func (c *Command) Wait() int {
	<-c.ended
	state := c.cmd.ProcessState
	if state == nil {
		return 1
	}
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// Signal passes on a signal that this process got, less one that the terminal sends
// to the command too. A command that is held ends, as does one that heeds none.
func (c *Command) Signal(sig os.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.gate != nil
	if !held && (sig == unix.SIGINT || sig == unix.SIGQUIT) && inForeground() {
		return
	}
	_ = c.cmd.Process.Signal(sig) // it may have ended
	c.shut()
}

// Kill ends the command, and waits for that.
func (c *Command) Kill() {
	_ = c.cmd.Process.Kill()
	<-c.ended
	c.mu.Lock()
	c.shut()
	c.mu.Unlock()
}

// inForeground reports whether a Ctrl-C on our terminal reaches our whole group.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
