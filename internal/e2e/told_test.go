package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newTerminal returns the two ends of a new terminal; programs have the second.
func newTerminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours = os.NewFile(uintptr(fd), "terminal")
	t.Cleanup(func() { ours.Close() })
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

// A terminal that takes some rows again and again does not hold up the end, and what it has not
// got is told.
func TestSlowTerminalDoesNotHoldUpTheEnd(t *testing.T) {
	const opens = 20000
	for name, signals := range map[string]int{"one signal": 1, "two": 2} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := newTerminal(t)
			flood := prepare(t, "flood", fmt.Sprint(opens), floodFile)
			cmd := exec.Command(opensnoop, "-v", "-p", flood.arg())
			stderr := &lockedBuffer{}
			cmd.Stdout, cmd.Stderr = theirs, stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
			shown := make(chan int) // lines
			ended := make(chan struct{})
			go func() {
				lines, buf := 0, make([]byte, 64)
				for {
					select {
					case <-ended:
						buf = make([]byte, 1<<16)
					default:
						time.Sleep(20 * time.Millisecond)
					}
					n, err := ours.Read(buf)
					lines += bytes.Count(buf[:n], []byte("\n"))
					if err != nil {
						shown <- lines
						return
					}
				}
			}()
			eventually(t, "the sign that it traces", func() bool { return strings.Contains(stderr.String(), "using buffers of") })
			flood.begin()
			if status := wait(t, flood.cmd); status != 0 {
				t.Fatalf("the opener ended with status %d", status)
			}
			for range signals {
				if err := cmd.Process.Signal(interrupt); err != nil {
					t.Fatal(err)
				}
			}
			if status := wait(t, cmd); status != 0 {
				t.Errorf("status %d, stderr %q", status, stderr)
			}
			close(ended)
			theirs.Close()
			rows, lost := <-shown-1, lost(t, stderr.String())
			if lost == 0 || rows+lost != opens+1 { // with its last open
				t.Errorf("%d rows and %d lost of %d; stderr %q", rows, lost, opens, stderr)
			}
		})
	}
}

// A write that never returns does not hold up the end: the other end of a terminal takes rows only
// while the terminal is read.
func TestStuckWriteDoesNotHoldUpTheEnd(t *testing.T) {
	ours, _ := newTerminal(t)
	cmd := exec.Command(opensnoop, "-v")
	stderr := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = ours, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	eventually(t, "the sign that it traces", func() bool { return strings.Contains(stderr.String(), "using buffers of") })
	open(t, "flood", "20000", floodFile)
	if err := cmd.Process.Signal(interrupt); err != nil {
		t.Fatal(err)
	}
	// Whether it waits in a write, or for room, is a matter of bytes.
	if status := wait(t, cmd); status != 0 || lost(t, stderr.String()) == 0 &&
		!strings.HasSuffix(stderr.String(), "opensnoop: ended without waiting: rows that were not written are neither shown nor counted\n") {
		t.Errorf("status %d, stderr %q", status, stderr)
	}
}

// A stderr that nobody reads holds up neither rows nor the end.
func TestFullStderr(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(bytes.Repeat([]byte("x"), 4096)); err != nil {
		t.Fatal(err)
	}
	full := func(args ...string) *exec.Cmd {
		// Not by os/exec, which would read it.
		cmd := exec.Command("sh", append([]string{"-c", `exec "$0" "$@" 2>/proc/self/fd/3`, opensnoop}, args...)...)
		cmd.ExtraFiles = []*os.File{w}
		return cmd
	}
	tr := startCommand(t, full("-v"))
	for range 3 {
		pid := open(t, "names", "/while-stderr-is-full")
		wantFiles(t, tr.rowsOf(pid), "/while-stderr-is-full")
	}
	tr.stop(interrupt)
	if r := runToEnd(t, full("-p", "4194303")); r.status != 1 {
		t.Errorf("a start that fails: status %d", r.status)
	}
}

// A signal at whatever moment of the start is no failure.
func TestSignalsWhileStarting(t *testing.T) {
	for i := range 40 {
		cmd := exec.Command(opensnoop, [][]string{nil, {"--no-cache"}}[i%2]...)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i) * 2 * time.Millisecond)
		if err := cmd.Process.Signal(interrupt); err != nil {
			t.Fatal(err)
		}
		status := wait(t, cmd)
		// Before Go's runtime has started, it ends it.
		if how := cmd.ProcessState.Sys().(syscall.WaitStatus); how.Signaled() && how.Signal() == unix.SIGINT && stderr.Len() == 0 {
			continue
		}
		if status != 0 || strings.Contains(stderr.String(), "failed") || strings.Contains(stderr.String(), "no kprobes (") && !strings.Contains(stderr.String(), "using") {
			t.Errorf("after %d ms: status %d, stderr %q", 2*i, status, stderr.String())
		}
	}
}

// Nor is one at whatever moment of the end.
func TestSignalsWhileEnding(t *testing.T) {
	for range 20 {
		tr := startBare(t, "-d", "0.01")
		ended := make(chan struct{})
		go func() {
			for tr.cmd.Process.Signal(interrupt) == nil {
				select {
				case <-ended:
					return
				default:
				}
			}
		}()
		tr.wantStatus(0)
		close(ended)
	}
}
