package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"opensnoop/internal/proc"

	"golang.org/x/sys/unix"
)

// numbers counts how often each of the files /tree-N is in rows, and fails for other files
// that have nothing to do with them.
func numbers(t *testing.T, rows string) map[int]int {
	t.Helper()
	counts := make(map[int]int)
	for line := range strings.Lines(rows) {
		_, number, found := strings.Cut(strings.TrimSpace(line), "/tree-")
		if strings.Contains(line, floodFile) {
			t.Fatalf("another process's open: %q", line)
		}
		if n, err := strconv.Atoi(number); found && err == nil {
			counts[n]++
		}
	}
	return counts
}

// eachOnce fails unless each of so many numbers was counted once.
func eachOnce(t *testing.T, counts map[int]int, want int) {
	t.Helper()
	for n := range want {
		if counts[n] != 1 {
			t.Errorf("/tree-%d, by the way %d, is in %d rows", n, n%11, counts[n])
		}
	}
	if len(counts) != want {
		t.Errorf("%d files, want %d", len(counts), want)
	}
}

// eachOnceOrTold is the same, unless opens or processes were told as missed: a kernel that preempts
// the program skips some.
func eachOnceOrTold(t *testing.T, counts map[int]int, want int, stderr string) {
	t.Helper()
	lost := lostAtMost(t, stderr)
	if m := regexp.MustCompile(`up to (\d+) process`).FindStringSubmatch(stderr); m != nil {
		more, _ := strconv.Atoi(m[1])
		lost += more
	}
	if lost == 0 {
		eachOnce(t, counts, want)
	} else if len(counts)+lost < want {
		t.Errorf("%d files, and %d lost of %d", len(counts), lost, want)
	}
	if t.Failed() {
		t.Logf("stderr %q", stderr)
	}
}

func TestFollowsAllDescendants(t *testing.T) {
	processes := 2200
	if kprobes() {
		processes = 440 // such a guest is slow
	}
	forEachProbe(t, func(t *testing.T, probe string) {
		noise := exec.Command(program("opener"), "flood", "100000000", floodFile)
		if err := noise.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { noise.Process.Kill(); noise.Wait() }()
		cmd := exec.Command(opensnoop, probe, "--columns", "comm,pid,file", "--", program("tree"), strconv.Itoa(processes))
		stderr := &lockedBuffer{}
		cmd.Stderr = stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, stderr)
		}
		counts := numbers(t, string(out))
		eachOnceOrTold(t, counts, processes, stderr.String())
		if text := stderr.String(); strings.Contains(text, "on that the command") {
			t.Errorf("stderr says %q", text)
		}
	})
}

// A tree that grows while the tracer starts is followed whole.
func TestFollowsAGrowingTree(t *testing.T) {
	const processes = 400
	times := 20
	if kprobes() {
		times = 3
	}
	for range times {
		tree := exec.Command(program("tree"), "grow")
		in, err := tree.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close(); tree.Wait() })
		tr := startBare(t, "--columns", "pid,file", "-p", strconv.Itoa(tree.Process.Pid), "--follow")
		eventually(t, "the whole tree", func() bool { return descendants(t, tree.Process.Pid) == processes-1 })
		in.Close()
		tree.Wait()
		counts := numbers(t, strings.Join(tr.rest(), "\n"))
		eachOnceOrTold(t, counts, processes, tr.stderr.String())
	}
}

// descendants counts those of a process.
func descendants(t *testing.T, pid int) int {
	t.Helper()
	all, err := proc.All(proc.Root)
	if err != nil {
		t.Fatal(err)
	}
	children := make(map[uint32][]uint32)
	for _, p := range all {
		children[p.Parent] = append(children[p.Parent], p.PID)
	}
	n := 0
	for queue := children[uint32(pid)]; len(queue) > 0; queue = append(queue[1:], children[queue[0]]...) {
		n++
	}
	return n
}

func TestWhatACommandLeaves(t *testing.T) {
	const left = " on that the command has started"
	for _, test := range []struct {
		args   []string
		script string
		shows  bool // what is opened after the command's end
		told   bool
	}{
		{nil, "(sleep 5; :) >/dev/null 2>&1 & sleep 5 >/dev/null 2>&1 & exit 5", false, true},
		{[]string{"--wait-all"}, "(sleep 0.5; : </tree-0) >/dev/null 2>&1 & exit 5", true, false},
		{[]string{"--no-follow"}, "(sleep 5; :) >/dev/null 2>&1 & sleep 5 >/dev/null 2>&1 & exit 5", false, false},
	} {
		args := append(append([]string{"--columns", "file"}, test.args...), "--", "setsid", "sh", "-c", test.script)
		cmd := exec.Command(opensnoop, args...)
		stderr := &lockedBuffer{}
		cmd.Stderr = stderr
		out, _ := cmd.Output()
		if code := cmd.ProcessState.ExitCode(); code != 5 {
			t.Errorf("%q: status %d", args, code)
		}
		if got := strings.Contains(string(out), "/tree-0"); got != test.shows {
			t.Errorf("%q: %q", args, out)
		}
		if got := strings.Contains(stderr.String(), left); got != test.told {
			t.Errorf("%q: stderr %q", args, stderr)
		}
	}
}

func TestFollowOrNot(t *testing.T) {
	for args, shows := range map[string]bool{"": true, "--no-follow": false} {
		command := append([]string{"--columns", "file"}, strings.Fields(args)...)
		out, err := exec.Command(opensnoop, append(command, "--", "sh", "-c", "cat /etc/hostname; true")...).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(out), "/etc/hostname"); got != shows {
			t.Errorf("%q: %q", args, out)
		}
	}
}

// A thread with a name of its own is found by its process's.
func TestNamesOfProcesses(t *testing.T) {
	tr := startBare(t, "-n", "pather", "-o", "json", "--columns", "comm,process,file")
	if r := runToEnd(t, exec.Command(program("pather"), t.TempDir())); r.status != 0 {
		t.Fatal(r.stderr)
	}
	for _, line := range tr.rest() {
		if strings.Contains(line, `"comm":"the-case"`) && strings.Contains(line, `"process":"pather"`) {
			return
		}
	}
	t.Error("the opens of a thread of another name do not show")
}

// Whose rights a program with the setuid bit has is beside who called it.
func TestEffectiveUser(t *testing.T) {
	file := filepath.Join(t.TempDir(), "opener")
	text, err := os.ReadFile(opener)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(file, text, 0o755), os.Chown(file, 65534, 65534), os.Chmod(file, 0o755|os.ModeSetuid)); err != nil {
		t.Fatal(err)
	}
	both := startBare(t, "--euid", "65534", "--columns", "uid,euid,file")
	real := startBare(t, "-u", "65534", "--columns", "uid,euid,file")
	if r := runToEnd(t, exec.Command(file, "names", "/effective")); r.status != 0 {
		t.Fatal(r.stderr)
	}
	if got := strings.Join(both.rest(), "\n"); !regexp.MustCompile(`(?m)^0 +65534 +/effective$`).MatchString(got) {
		t.Errorf("the rows are %q", got)
	}
	if got := strings.Join(real.rest(), "\n"); strings.Contains(got, "/effective") {
		t.Errorf("the rows of the real user are %q", got)
	}
}

// Maps that grow while programs run make some kernels warn in their log.
func TestFollowsAllWithoutAWarning(t *testing.T) {
	if os.Getenv("OPENSNOOP_GUEST") == "" {
		t.Skip("NOT TESTED: the log of this machine may have warnings of others")
	}
	runToEnd(t, exec.Command(opensnoop, "--", "true"))
	const readAll = 3 // SYSLOG_ACTION_READ_ALL of syslog(2)
	log := make([]byte, 1<<20)
	n, err := unix.Klogctl(readAll, log)
	if err != nil {
		t.Fatal(err)
	}
	if at := bytes.Index(log[:n], []byte("run-time allocation")); at >= 0 {
		t.Errorf("the kernel warns: %s", log[max(0, at-100):min(n, at+300)])
	}
}
