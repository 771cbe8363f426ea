package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// patience is how long anything may take before a test fails. Guests are
	// emulated, and slow.
	patience = 5 * time.Minute

	// pollTime is how often a condition is looked at: seldom enough to leave an emulated
	// CPU to what is waited for.
	pollTime = 5 * time.Millisecond

	// againTime is after how long what may have been lost is done again.
	againTime = time.Second

	// lossTime is how long a loss may take to be told, which opensnoop does each second.
	lossTime = time.Minute
)

// waitUntil waits until a condition holds, and reports whether it did so in time.
func waitUntil(limit time.Duration, condition func() bool) bool {
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(pollTime) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	if !waitUntil(patience, condition) {
		t.Fatalf("never came: %s", what)
	}
}

// awaitStart waits until an opensnoop traces. One that ends instead fails at once.
func awaitStart(t *testing.T, cmd *exec.Cmd, stderr fmt.Stringer, traces func() bool) {
	t.Helper()
	eventually(t, "the sign that it traces", func() bool {
		gone := hasEnded(cmd.Process.Pid) // before looking: it may trace, and end
		if traces() {
			return true
		}
		if gone {
			// What it has written may not have been read yet.
			if waitUntil(2*time.Second, traces) {
				return true
			}
			cmd.Wait()
			t.Fatalf("opensnoop ended: %v, stderr %q", cmd.ProcessState, stderr)
		}
		return false
	})
}

// hasEnded reports whether a child has ended, and leaves it to be waited for.
func hasEnded(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err != nil || info.Signo != 0
}

// wait waits for a process that ends soon and returns its exit status; -1 if a
// signal killed it.
func wait(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	if !late.Stop() {
		t.Fatalf("%v did not end", cmd.Args)
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// result is what a command left that ended by itself.
type result struct {
	status         int
	stdout, stderr string
}

// runToEnd runs a command.
func runToEnd(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &stdout
	}
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	status := wait(t, cmd)
	return result{status, stdout.String(), stderr.String()}
}

// startCompiling starts a command that is an opensnoop that compiles and then ends, and returns it
// and its compiler's process id. The compiler is stopped: it has not done its work. Where all was
// over before that was seen, another one is started.
func startCompiling(t *testing.T, command func() *exec.Cmd) (cmd *exec.Cmd, compiler int) {
	t.Helper()
	for range 20 {
		cmd = command()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		compiler = 0
		eventually(t, "the compiler", func() bool {
			ended := hasEnded(cmd.Process.Pid)
			for _, child := range children(cmd.Process.Pid) {
				line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
				if err == nil && string(line) == "opensnoop: compiler\x00" {
					compiler = child
				}
			}
			return compiler != 0 || ended
		})
		if compiler != 0 && unix.Kill(compiler, unix.SIGSTOP) == nil {
			eventually(t, "the compiler's stop", func() bool { return strings.Contains("TZ-", state(compiler)) })
			if state(compiler) == "T" {
				return cmd, compiler
			}
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
	t.Fatalf("%q never had a compiler", cmd.Args)
	panic("not reached")
}

// state returns the letter for the state of a process, and - if there is none.
func state(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if _, after, found := strings.Cut(string(text), ") "); found {
		return after[:1]
	}
	return "-"
}

// children returns the processes that a process has started.
func children(pid int) (pids []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// awaitEnd waits until a process is gone, or a zombie.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	eventually(t, fmt.Sprintf("the end of the process %d", pid), func() bool { return strings.Contains("Z-", state(pid)) })
}
