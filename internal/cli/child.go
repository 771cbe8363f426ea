package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// child is the command to trace.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed at its end
	once  sync.Once
}

// startChild starts the command and holds it before its first instruction, until
// release is called: by then it has its own pid and comm, and has opened nothing.
// From here to release the caller stays on its thread.
func startChild(argv []string, stdout *os.File, asRoot bool) (*child, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if !asRoot {
		if err := asInvokingUser(cmd); err != nil {
			return nil, err
		}
	}
	runtime.LockOSThread() // only the thread that started it may let it go
	if err := cmd.Start(); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("starting the command: %w", err)
	}
	c := &child{cmd: cmd, ended: make(chan struct{})}
	var status unix.WaitStatus
	_, err := unix.Wait4(c.pid(), &status, 0, nil)
	if err == nil && !status.Stopped() {
		err = errors.New("it did not stop at its start")
	}
	if err == nil {
		// If we are killed meanwhile, it must not run without being traced.
		err = unix.PtraceSetOptions(c.pid(), unix.PTRACE_O_EXITKILL)
	}
	if err != nil {
		c.kill()
		return nil, fmt.Errorf("holding the command at its start: %w", err)
	}
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// release lets the command run, and calls atEnd when it has ended.
func (c *child) release(atEnd func()) error {
	err := unix.PtraceDetach(c.pid())
	runtime.UnlockOSThread()
	if err != nil {
		c.kill()
		return fmt.Errorf("letting the command run: %w", err)
	}
	go func() {
		c.wait()
		atEnd()
	}()
	return nil
}

// wait waits for the end of the command and returns the exit status that tells
// how it ended: its own, or 128 and the number of the signal.
func (c *child) wait() int {
	c.once.Do(func() {
		_ = c.cmd.Wait() // how it ended is in its state
		close(c.ended)
	})
	<-c.ended
	state := c.cmd.ProcessState
	if state == nil {
		return exitFailure
	}
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// signal passes a signal on. What the terminal sends it sends to the command too.
func (c *child) signal(sig os.Signal) {
	if sig == unix.SIGINT && inForeground() {
		return
	}
	_ = c.cmd.Process.Signal(sig) // it may have ended
}

// kill ends the command.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	c.wait()
}

// inForeground tells whether a Ctrl-C on our terminal reaches our whole group.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// asInvokingUser lets the command run as the user who called sudo, if we run under
// it: with the user's groups, and the user's name and home in the environment.
func asInvokingUser(cmd *exec.Cmd) error {
	uid, given := os.LookupEnv("SUDO_UID")
	if os.Geteuid() != 0 || !given || uid == "0" {
		return nil
	}
	u, err := user.LookupId(uid)
	if err != nil {
		return fmt.Errorf("looking for the user %s who called sudo: %w; --as-root runs the command as root", uid, err)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("looking for the groups of %s: %w; --as-root runs the command as root", u.Username, err)
	}
	var numbers []uint32
	for _, id := range append([]string{u.Uid, u.Gid}, ids...) {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return fmt.Errorf("the user %s has the odd id %q", u.Username, id)
		}
		numbers = append(numbers, uint32(n))
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: numbers[0], Gid: numbers[1], Groups: numbers[2:]}
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"HOME", "USER", "LOGNAME", "MAIL"}, name) || strings.HasPrefix(name, "SUDO_")
	})
	cmd.Env = append(cmd.Env, "HOME="+u.HomeDir, "USER="+u.Username, "LOGNAME="+u.Username)
	return nil
}
