package e2e

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
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
		eachOnce(t, numbers(t, string(out)), processes)
		if text := stderr.String(); strings.Contains(text, "lost") || strings.Contains(text, "on that the command") {
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
		eachOnce(t, numbers(t, strings.Join(tr.rest(), "\n")), processes)
	}
}

// descendants counts those of a process, by ps.
func descendants(t *testing.T, pid int) int {
	t.Helper()
	out, err := exec.Command("ps", "-eo", "pid=,ppid=").Output()
	if err != nil {
		t.Fatal(err)
	}
	children := make(map[int][]int)
	for line := range strings.Lines(string(out)) {
		var child, parent int
		if _, err := fmt.Sscan(line, &child, &parent); err == nil {
			children[parent] = append(children[parent], child)
		}
	}
	n := 0
	for queue := children[pid]; len(queue) > 0; queue = append(queue[1:], children[queue[0]]...) {
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
