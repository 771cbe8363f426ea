package e2e

import (
	"io"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
)

// end is the last open of every opener.
const end = "/end-of-opener"

// open runs an opener to its end and returns its pid.
func open(t *testing.T, args ...string) int {
	t.Helper()
	cmd := exec.Command(opener, args...)
	if r := runToEnd(t, cmd); r.status != 0 {
		t.Fatalf("opener %q: status %d, %q", args, r.status, r.stderr)
	}
	return cmd.Process.Pid
}

// waiting is an opener that has not opened anything yet.
type waiting struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// prepare starts an opener that waits for its sign.
func prepare(t *testing.T, args ...string) *waiting {
	t.Helper()
	cmd := exec.Command(opener, append([]string{"-wait"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); cmd.Wait() })
	return &waiting{t, cmd, stdin}
}

func (w *waiting) pid() int { return w.cmd.Process.Pid }

// arg is the pid as an argument.
func (w *waiting) arg() string { return strconv.Itoa(w.pid()) }

// begin gives the sign.
func (w *waiting) begin() {
	w.t.Helper()
	if _, err := w.stdin.Write([]byte{'\n'}); err != nil {
		w.t.Fatal(err)
	}
}

// finish waits for its end.
func (w *waiting) finish() {
	w.t.Helper()
	if status := wait(w.t, w.cmd); status != 0 {
		w.t.Fatalf("the opener ended with status %d", status)
	}
}

// run gives the sign and waits for its end.
func (w *waiting) run() {
	w.t.Helper()
	w.begin()
	w.finish()
}
