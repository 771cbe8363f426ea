package e2e

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

const header = "TIME(s)            COMM             PID    FILE"

// tracer is a running opensnoop.
type tracer struct {
	t      *testing.T
	cmd    *exec.Cmd
	lines  chan string // of stdout, if that is read
	stderr *lockedBuffer
}

// lockedBuffer can be written and read at a time.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start starts opensnoop and returns once its header tells that it traces.
func start(t *testing.T, args ...string) *tracer {
	t.Helper()
	return startCommand(t, exec.Command(opensnoop, args...))
}

// startCommand is start for a command that ends in opensnoop.
func startCommand(t *testing.T, cmd *exec.Cmd) *tracer {
	t.Helper()
	tr := launch(t, cmd)
	if line := tr.line(); line != header {
		t.Fatalf("the first line is %q, stderr %q", line, tr.stderr)
	}
	return tr
}

// startBare starts opensnoop with output that has no header, and returns once its
// last words before the rows tell that it traces.
func startBare(t *testing.T, args ...string) *tracer {
	t.Helper()
	tr := launch(t, exec.Command(opensnoop, append([]string{"-v"}, args...)...))
	tr.ready()
	return tr
}

// ready waits for the words that -v makes opensnoop say once it traces.
func (tr *tracer) ready() {
	tr.t.Helper()
	awaitStart(tr.t, tr.cmd, tr.stderr, func() bool {
		return strings.Contains(tr.stderr.String(), "using buffers of")
	})
}

// launch starts a command that ends in opensnoop.
func launch(t *testing.T, cmd *exec.Cmd) *tracer {
	t.Helper()
	tr := &tracer{t: t, cmd: cmd, lines: make(chan string, 1<<20), stderr: &lockedBuffer{}}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = tr.stderr
	cmd.WaitDelay = 10 * time.Second // its children may hold its stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	go func() {
		defer close(tr.lines)
		in := bufio.NewReaderSize(stdout, 1<<16)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				if line != "" {
					tr.lines <- line + cutOff
				}
				return
			}
			tr.lines <- strings.TrimSuffix(line, "\n")
		}
	}()
	return tr
}

// toFile starts opensnoop with stdout in a file, and waits for its header there.
func toFile(t *testing.T, path string, args ...string) (*exec.Cmd, *lockedBuffer) {
	t.Helper()
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	stderr := &lockedBuffer{}
	cmd := exec.Command(opensnoop, args...)
	cmd.Stdout, cmd.Stderr = out, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	awaitStart(t, cmd, stderr, func() bool {
		st, err := os.Stat(path)
		return err == nil && st.Size() > 0
	})
	return cmd, stderr
}

// cutOff follows a line that has no end.
const cutOff = "(without a newline)"

// rest ends opensnoop and returns all lines that it had not handed out yet. In a slow guest, the end
// of the output may not be written in time: then it is told as lost, with the row that was begun.
func (tr *tracer) rest() []string {
	tr.t.Helper()
	if err := tr.cmd.Process.Signal(interrupt); err != nil {
		tr.t.Fatal(err)
	}
	var lines []string
	for late := time.After(patience); ; {
		line, ok := tr.lineBefore(late)
		if !ok {
			tr.wantStatus(0)
			if last := len(lines) - 1; last >= 0 && strings.HasSuffix(lines[last], cutOff) &&
				strings.Contains(tr.stderr.String(), "did not take them in time") {
				return lines[:last]
			}
			return lines
		}
		lines = append(lines, line)
	}
}

// line returns the next line.
func (tr *tracer) line() string {
	tr.t.Helper()
	return tr.nextBefore(time.After(patience))
}

// nextBefore returns the next line, for a wait that ends when it is late.
func (tr *tracer) nextBefore(late <-chan time.Time) string {
	tr.t.Helper()
	line, ok := tr.lineBefore(late)
	if !ok {
		tr.failEnded()
	}
	return line
}

// failEnded fails because opensnoop has ended.
func (tr *tracer) failEnded() {
	tr.t.Helper()
	tr.cmd.Wait()
	tr.t.Fatalf("opensnoop ended: %v, stderr %q", tr.cmd.ProcessState, tr.stderr)
}

// lineBefore is the same, but for reporting whether there is one more.
func (tr *tracer) lineBefore(late <-chan time.Time) (line string, ok bool) {
	tr.t.Helper()
	select {
	case line, ok = <-tr.lines:
	case <-late:
		tr.t.Fatalf("what is waited for did not come, stderr %q", tr.stderr)
	}
	return line, ok
}

// stop ends opensnoop by a signal and checks that this is no failure.
func (tr *tracer) stop(sig os.Signal) {
	tr.t.Helper()
	if err := tr.cmd.Process.Signal(sig); err != nil {
		tr.t.Fatal(err)
	}
	tr.wantStatus(0)
}

// wantStatus waits for the end of opensnoop.
func (tr *tracer) wantStatus(status int) {
	tr.t.Helper()
	go func() {
		for range tr.lines { // so that it is not held up
		}
	}()
	if got := wait(tr.t, tr.cmd); got != status {
		tr.t.Fatalf("opensnoop ended with status %d, want %d; stderr %q", got, status, tr.stderr)
	}
}
