package bcc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// deadline is how long a test waits for what must come.
const deadline = 5 * time.Minute

// startedCompiler starts a compiler process that waits for its request.
func startedCompiler(t *testing.T) (cmd *exec.Cmd, request io.WriteCloser) {
	t.Helper()
	cmd = compilerCommand(t.Context(), io.Discard)
	request, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd, request
}

// status waits until a field of a process's /proc/PID/status begins as wanted.
func waitStatus(t *testing.T, pid int, field, want string) {
	t.Helper()
	var found string
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if name, value, _ := strings.Cut(line, ":"); name == field {
				if found = strings.Join(strings.Fields(value), " "); strings.HasPrefix(found, want) {
					return
				}
			}
		}
	}
	t.Errorf("%s is %q, want %q", field, found, want)
}

func TestCompilerHasNoRights(t *testing.T) {
	cmd, _ := startedCompiler(t)
	pid := cmd.Process.Pid
	waitStatus(t, pid, "Seccomp", "2")
	waitStatus(t, pid, "NoNewPrivs", "1")
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		waitStatus(t, pid, set, "0000000000000000")
	}
	if os.Geteuid() != 0 {
		t.Skip("*** DID NOT RUN WHOLE: what root's compiler is needs root")
	}
	waitStatus(t, pid, "Groups", "")
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	var uid, gid [4]uint32
	for line := range strings.Lines(string(text)) {
		fmt.Sscanf(line, "Uid: %d %d %d %d", &uid[0], &uid[1], &uid[2], &uid[3])
		fmt.Sscanf(line, "Gid: %d %d %d %d", &gid[0], &gid[1], &gid[2], &gid[3])
	}
	if uid != gid || uid[0] < 65534 || uid != [4]uint32{uid[0], uid[0], uid[0], uid[0]} {
		t.Errorf("it runs as %v, %v", uid, gid)
	}
	other, _ := startedCompiler(t)
	waitStatus(t, other.Process.Pid, "Seccomp", "2")
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", other.Process.Pid)); err != nil || strings.Contains(string(text), fmt.Sprintf("Uid:\t%d", uid[0])) {
		t.Errorf("two compilers are of one user, error %v", err)
	}
}

// Another user, and one of its own, can neither trace nor signal it.
func TestCompilerCannotBeReached(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("*** DID NOT RUN: it needs root")
	}
	cmd, _ := startedCompiler(t)
	pid := cmd.Process.Pid
	waitStatus(t, pid, "Seccomp", "2")
	for _, script := range []string{
		fmt.Sprintf("kill -STOP %d", pid),
		fmt.Sprintf("cat /proc/%d/maps", pid),
		fmt.Sprintf("echo x >/proc/%d/fd/0", pid),
		fmt.Sprintf("echo x >/proc/%d/mem", pid),
	} {
		attack := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
		attack.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if err := attack.Run(); err == nil {
			t.Errorf("%s: it could", script)
		}
	}
}

func TestCompilerIsInAGroupOfItsOwn(t *testing.T) {
	cmd, _ := startedCompiler(t)
	if group, err := unix.Getpgid(cmd.Process.Pid); err != nil || group != cmd.Process.Pid {
		t.Errorf("its process group is %d, error %v", group, err)
	}
}

// A parent that is killed takes it along. That is a shell here, whose child execs this
// program as a compiler and asks to end with it.
func TestCompilerEndsWithItsParent(t *testing.T) {
	if os.Getenv("BCC_TEST_PARENT") != "" {
		cmd, _ := startedCompiler(t)
		fmt.Printf("compiler %d\n", cmd.Process.Pid)
		select {} // until it is killed
	}
	parent := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^TestCompilerEndsWithItsParent$", "-test.v")
	parent.Env = append(os.Environ(), "BCC_TEST_PARENT=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		fmt.Sscanf(lines.Text(), "compiler %d", &pid)
	}
	if pid == 0 {
		t.Fatal("it started no compiler")
	}
	waitStatus(t, pid, "Seccomp", "2")
	parent.Process.Kill()
	parent.Wait()
	for end := time.Now().Add(deadline); ; time.Sleep(time.Millisecond) {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it is still there: %s", state)
		}
	}
}

// A compiler whose request never comes whole ends, and without a word of Go's.
func TestCompilerWithoutARequest(t *testing.T) {
	for _, text := range []string{"", `{"Code":`, "\x00\x00"} {
		said := &messages{}
		cmd := compilerCommand(t.Context(), said)
		cmd.Stdin = strings.NewReader(text)
		if err := cmd.Run(); err == nil {
			t.Errorf("%q: no error", text)
		}
		if out := said.String(); strings.Contains(out, "goroutine") || !strings.HasPrefix(out, "reading what to compile: ") {
			t.Errorf("%q: it said %q", text, out)
		}
	}
}

// Whenever it is killed, there is an object or one error that says so.
func TestKilledAtAnyTime(t *testing.T) {
	for i := range 12 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := compiler(t).Compile(ctx, countingSource())
			done <- err
		}()
		killed := killChildAfter(t, time.Duration(i)*5*time.Millisecond, done)
		err := <-done
		cancel()
		if err != nil && (!killed || !strings.Contains(err.Error(), "SIGKILL")) {
			t.Errorf("killed %v: error %v", killed, err)
		}
	}
}

// killChildAfter kills this process's compiler some time after it is there, unless the
// compilation is over before. It reports whether it has.
func killChildAfter(t *testing.T, wait time.Duration, done chan error) bool {
	t.Helper()
	for {
		select {
		case err := <-done:
			done <- err
			return false
		default:
		}
		children, _ := filepath.Glob("/proc/self/task/*/children")
		for _, file := range children {
			text, _ := os.ReadFile(file)
			var pid int
			if n, _ := fmt.Sscan(string(text), &pid); n == 1 {
				time.Sleep(wait) // any time will do
				return unix.Kill(pid, unix.SIGKILL) == nil
			}
		}
	}
}

func TestDied(t *testing.T) {
	exit := func(script string) error { return exec.CommandContext(t.Context(), "/bin/sh", "-c", script).Run() }
	for script, want := range map[string][]string{
		"kill -KILL $$": {"the signal 9 (SIGKILL)", "100 MB", "cgroup"},
		"kill -ABRT $$": {"the signal 6 (SIGABRT)", "ulimit -v", "ulimit -n"},
		"kill -XCPU $$": {"SIGXCPU", "ulimit -t"},
		"exit 3":        {"status 3"},
	} {
		err := died(exit(script), "its words")
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: no %q in %q", script, part, err)
			}
		}
		if messagesOf(t, err) != "its words" {
			t.Errorf("%s: %q", script, messagesOf(t, err))
		}
	}
	if err := died(exit("exit 1"), early+"no thread"); messagesOf(t, err) != "" || !strings.HasSuffix(err.Error(), ": no thread") {
		t.Errorf("what it said early: error %v", err)
	}
	if err := died(nil, ""); !strings.Contains(err.Error(), "without a word") {
		t.Errorf("error %v", err)
	}
}

func TestStartError(t *testing.T) {
	for err, remedy := range map[error]string{
		unix.EMFILE: "ulimit -n", unix.ENOMEM: "ulimit -v", unix.EAGAIN: "ulimit -u", os.ErrNotExist: "/proc",
	} {
		if got := startError(fmt.Errorf("x: %w", err)); !strings.Contains(got.Error(), remedy) || !errors.Is(got, err) {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func TestMessages(t *testing.T) {
	m := &messages{}
	for _, part := range []string{" once", " and more\n"} {
		if n, err := m.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("%q: %d, error %v", part, n, err)
		}
	}
	if got := m.String(); got != "once and more" {
		t.Errorf("%q", got)
	}
	m.Write(make([]byte, 0))
	m.Write([]byte(strings.Repeat("x", 2*messagesMax)))
	if len(m.text) != messagesMax {
		t.Errorf("%d bytes are kept", len(m.text))
	}
}
