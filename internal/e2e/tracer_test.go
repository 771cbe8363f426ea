package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const header = "TIME(s)            COMM             PID    FILE"

// end is the last open of every opener.
const end = "/end-of-opener"

// row is a row of the table.
type row struct {
	time string
	comm string
	pid  int
	file string
}

// What a row is made of; rowPattern is for what follows the time.
var (
	timePattern = regexp.MustCompile(`^\d+\.\d{9}$`)
	rowPattern  = regexp.MustCompile(`^ (.{16,}?) (\d+)( .*)?$`)
)

func parseRow(t *testing.T, line string) row {
	t.Helper()
	if len(line) < 18+1+16+1 {
		t.Fatalf("not a row: %q", line)
	}
	time := strings.TrimRight(line[:18], " ")
	m := rowPattern.FindStringSubmatch(line[18:])
	if m == nil || !timePattern.MatchString(time) {
		t.Fatalf("not a row: %q", line)
	}
	pid, err := strconv.Atoi(m[2])
	if err != nil {
		t.Fatalf("not a row: %q", line)
	}
	// The process id is 6 wide, then comes one blank; nothing if the name is empty.
	file := m[3]
	if file != "" {
		file = file[max(6-len(m[2]), 0)+1:]
	}
	return row{time, strings.TrimRight(m[1], " "), pid, file}
}

// tracer is a running opensnoop.
type tracer struct {
	t      *testing.T
	cmd    *exec.Cmd
	lines  chan string // of stdout, if that is read
	stderr *lockedBuffer

	lastPID int // of the opener of endOf
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
	eventually(tr.t, "the sign that it traces", func() bool {
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
		in := bufio.NewReader(stdout)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				if line != "" {
					tr.lines <- line + "(without a newline)"
				}
				return
			}
			tr.lines <- strings.TrimSuffix(line, "\n")
		}
	}()
	return tr
}

// rest ends opensnoop and returns all lines that it had not handed out yet.
func (tr *tracer) rest() []string {
	tr.t.Helper()
	if err := tr.cmd.Process.Signal(interrupt); err != nil {
		tr.t.Fatal(err)
	}
	var lines []string
	for line := range tr.lines {
		lines = append(lines, line)
	}
	tr.wantStatus(0)
	return lines
}

// line returns the next line.
func (tr *tracer) line() string {
	tr.t.Helper()
	select {
	case line, ok := <-tr.lines:
		if !ok {
			tr.cmd.Wait()
			tr.t.Fatalf("opensnoop ended: %v, stderr %q", tr.cmd.ProcessState, tr.stderr)
		}
		return line
	case <-time.After(patience):
		tr.t.Fatalf("no row came, stderr %q", tr.stderr)
	}
	panic("not reached")
}

// until returns the rows up to the first that is as wanted.
func (tr *tracer) until(wanted func(row) bool) []row {
	tr.t.Helper()
	var rows []row
	for {
		r := parseRow(tr.t, tr.line())
		rows = append(rows, r)
		if wanted(r) {
			return rows
		}
	}
}

// rowsOf returns the rows of the opener that is process pid, without its last.
func (tr *tracer) rowsOf(pid int) []row {
	tr.t.Helper()
	var own []row
	for _, r := range tr.until(func(r row) bool { return r.pid == pid && r.file == end }) {
		if r.pid == pid && r.file != end {
			own = append(own, r)
		}
	}
	return own
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

// open runs an opener to its end and returns its pid.
func open(t *testing.T, args ...string) int {
	t.Helper()
	cmd := exec.Command(opener, args...)
	if r := runToEnd(t, cmd); r.status != 0 {
		t.Fatalf("opener %q: %q", args, r.stderr)
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

// files returns the names in rows.
func files(rows []row) []string {
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.file
	}
	return names
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(pollTime) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}

// awaitCompiler waits until an opensnoop that compiles has started its compiler, and
// returns that one's process id.
func awaitCompiler(t *testing.T, pid int) (compiler int) {
	t.Helper()
	eventually(t, "the compiler", func() bool {
		for _, child := range children(pid) {
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
			if err == nil && string(line) == "opensnoop: compiler\x00" {
				compiler = child
			}
		}
		return compiler != 0
	})
	return compiler
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
	eventually(t, fmt.Sprintf("the end of the process %d", pid), func() bool {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(state), ") Z ")
	})
}
