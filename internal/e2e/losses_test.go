package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var lostPattern = regexp.MustCompile(`opensnoop: lost (\d+) opens in all(?:, and up to \d+ more)?\n`)

var soFarPattern = regexp.MustCompile(`opensnoop: lost (?:up to )?(\d+)(?: more)? opens(?: so far)?: (.*)\n`)

// lostSoFar returns what a tracer that runs has told of.
func lostSoFar(t *testing.T, stderr string) (opens int) {
	t.Helper()
	latest := make(map[string]int)
	for _, m := range soFarPattern.FindAllStringSubmatch(stderr, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		latest[m[2]] = n
	}
	for _, n := range latest {
		opens += n
	}
	return opens
}

// lostAtMost returns the most that a run's stderr says may be lost.
func lostAtMost(t *testing.T, stderr string) int {
	t.Helper()
	n := lost(t, stderr)
	if m := regexp.MustCompile(`in all, and up to (\d+) more\n`).FindStringSubmatch(stderr); m != nil {
		more, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		n += more
	}
	return n
}

// lost returns the losses that a run's stderr tells.
func lost(t *testing.T, stderr string) int {
	t.Helper()
	m := lostPattern.FindStringSubmatch(stderr)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// wantCounted fails unless the rows and what was told as lost are these opens. Only what a tracer
// has said when it has ended tells of all that was lost.
func wantCounted(t *testing.T, rows, opens int, stderr string) {
	t.Helper()
	certain, most := lost(t, stderr), lostAtMost(t, stderr)
	t.Logf("%d rows of %d opens, and %d to %d lost", rows, opens, certain, most)
	if most > 0 {
		t.Log(stderr)
	}
	if rows+certain > opens || rows+most < opens || rows == 0 {
		t.Errorf("%d rows and %d to %d lost, of %d opens; stderr %q", rows, certain, most, opens, stderr)
	}
}

// Where another tracer attaches to the same functions, and leaves, the ends of calls that are under way
// may not be seen. What takes them to be shown is told as lost.
func TestOthersAttach(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows")
	cmd, stderr := toFile(t, path, "-x", "-n", openerComm)
	left := make(chan struct{})
	go func() {
		defer close(left)
		for range 6 {
			exec.Command(opensnoop, "-d", "0.1", "-n", "nobody-has-it").Run()
		}
	}()
	opens := 0
	for here := true; here; {
		const each = 2000
		if out, err := exec.Command(opener, "flood", strconv.Itoa(each), "/not/here").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		opens += each + 1 // and one to end
		select {
		case <-left:
			here = false
		default:
		}
	}
	if err := cmd.Process.Signal(interrupt); err != nil {
		t.Fatal(err)
	}
	if status := wait(t, cmd); status != 0 {
		t.Fatalf("opensnoop ended with status %d, stderr %q", status, stderr)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const header = 1
	wantCounted(t, strings.Count(string(text), "\n")-header, opens, stderr.String())
}

// The same of a call that blocks meanwhile.
func TestOthersAttachWhileItBlocks(t *testing.T) {
	fifo := makeFIFO(t, "")
	caller := exec.Command("sh", "-c", `read go; read x <"$0"; read y </etc/hostname`, fifo)
	in, err := caller.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := caller.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { caller.Process.Kill(); caller.Wait() })
	tr := startBare(t, "--success", "-p", strconv.Itoa(caller.Process.Pid), "--columns", "err,file")
	fmt.Fprintln(in)
	eventually(t, "the call that blocks", func() bool { return inCallOf(t, caller.Process.Pid) == 1 })
	if r := runToEnd(t, exec.Command(opensnoop, "-d", "0.1", "-n", "nobody-has-it")); r.status != 0 {
		t.Fatalf("status %d, %s", r.status, r.stderr)
	}
	if err := os.WriteFile(fifo, []byte("x\n"), 0); err != nil {
		t.Fatal(err)
	}
	caller.Wait()
	rows := slices.DeleteFunc(tr.rest(), func(line string) bool { return !strings.Contains(line, "/") }) // the header
	wantCounted(t, len(rows), 2, tr.stderr.String())
}

// Processes that are made while the probe attaches show, all of them, and those whose results cannot be
// seen are told.
func TestForksWhileAttaching(t *testing.T) {
	const opens = 2 * 400 // each opens a name that is empty, and one that is not there
	forEachProbe(t, func(t *testing.T, probe string) {
		if refusesResults(t, probe) {
			return
		}
		for range 3 {
			w := prepare(t, "forks", "/forked")
			w.begin()
			tr := startBare(t, probe, "-n", openerComm, "--columns", "pid,fd,err,file")
			w.run()
			rows, unknown := 0, 0
			for _, line := range tr.rest() {
				// The name of a new process may not be in memory at the entry, and its end not seen.
				unread := strings.Contains(line, unreadMark)
				if fields := strings.Fields(line); unread || len(fields) == 4 && (fields[3] == "/forked" || fields[3] == `""`) {
					rows++
					if fields[2] != "ENOENT" {
						unknown++
					}
				}
			}
			told := lostAtMost(t, tr.stderr.String()) - lost(t, tr.stderr.String()) // an end may be what was skipped
			if m := regexp.MustCompile(`(\d+) opens in all show without`).FindStringSubmatch(tr.stderr.String()); m != nil {
				n, _ := strconv.Atoi(m[1])
				told += n
			}
			t.Logf("%d without a result", unknown)
			wantCounted(t, rows, opens, tr.stderr.String())
			// By tracepoints a row without a result says so itself.
			if unknown > told && probe != "--probe=tracepoint" {
				t.Errorf("%d rows are without a result, and %d told; stderr: %s", unknown, told, tr.stderr)
			}
		}
	})
}
