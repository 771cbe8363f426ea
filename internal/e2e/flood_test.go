package e2e

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// unreadMark begins what shows in place of a name that could not be had.
const unreadMark = `\(unread name at `

// floodFile is cheap to open, in a guest too, where the host's files are not.
const floodFile = "/dev/null"

// fileRows checks the table in a file and calls f for each row.
func fileRows(t *testing.T, path string, f func(line []byte)) {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	lines := bufio.NewScanner(in)
	if !lines.Scan() || lines.Text() != header {
		t.Fatalf("the first line is %q", lines.Text())
	}
	for lines.Scan() {
		f(lines.Bytes())
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestFloodIsCountedExactly(t *testing.T) {
	const each = 300_000
	path := filepath.Join(t.TempDir(), "rows")
	one := prepare(t, "flood", strconv.Itoa(each), floodFile)
	two := prepare(t, "flood", strconv.Itoa(each), floodFile)
	cmd, stderr := toFile(t, path, "-p", one.arg(), "-p", two.arg())
	one.begin()
	two.begin()
	one.finish()
	two.finish()
	if err := cmd.Process.Signal(interrupt); err != nil {
		t.Fatal(err)
	}
	if status := wait(t, cmd); status != 0 {
		t.Fatalf("opensnoop ended with status %d, stderr %q", status, stderr)
	}

	rows, last := 0, []byte{}
	fileRows(t, path, func(line []byte) {
		rows++
		time := bytes.TrimRight(line[:18], " ")
		if len(time) < len(last) || (len(time) == len(last) && bytes.Compare(time, last) < 0) {
			t.Fatalf("the time goes back from %s to %s", last, time)
		}
		last = append(last[:0], time...)
	})
	wantCounted(t, rows, 2*(each+1), stderr.String())
}

// Processes that interrupt each other, one of them real-time, show under their own names,
// or are told as lost.
func TestFloodsThatPreempt(t *testing.T) {
	floods{each: 4000}.preempt(t, "fd,err,comm,pid,file", "comm,pid,file")
}

// Without a filter, calls may begin elsewhere. On this machine others open as well, and too much is lost.
func TestFloodsWithoutFilter(t *testing.T) {
	if os.Getenv("OPENSNOOP_GUEST") == "" {
		t.Skip("NOT TESTED: this is for guests only")
	}
	floods{each: 2000, unfiltered: true}.preempt(t, "fd,err,comm,pid,file")
}

// The kernel skips kprobes while other BPF code runs on their CPU, which a system call that
// changes a map is taken for, also while it is preempted.
func TestFloodsThatMapsSkip(t *testing.T) {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 1024})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for range 3 {
		writers.Go(func() {
			for n := uint32(0); ; n++ {
				select {
				case <-stop:
					return
				default:
					m.Put(n%1024, n)
				}
			}
		})
	}
	defer writers.Wait()
	defer close(stop)
	floods{each: 1000, skipped: true}.preempt(t, "fd,err,comm,pid,file", "comm,pid,file")
}

// floods are processes that open so often each.
type floods struct {
	each       int
	skipped    bool // the kernel may skip the programs that see names and ends
	unfiltered bool
}

// preempt floods while the processes preempt each other, and compares the rows of these columns.
func (f floods) preempt(t *testing.T, columns ...string) {
	const floods = 6
	each, skipped := f.each, f.skipped
	if n, err := strconv.Atoi(os.Getenv("OPENSNOOP_FLOOD")); err == nil {
		each = n
	}
	forEachProbe(t, func(t *testing.T, probe string) {
		for _, columns := range columns {
			if strings.HasPrefix(columns, "fd,") && refusesResults(t, probe) {
				continue
			}
			path := filepath.Join(t.TempDir(), "rows")
			names := make(map[string]string)
			var herd []*waiting
			args := []string{probe, "-o", "csv", "--columns", columns}
			for i := range floods {
				name := fmt.Sprintf("%s/%s%d", filepath.Dir(path), strings.Repeat("flood/", 1+10*i), i)
				w := prepare(t, "flood", strconv.Itoa(each), name)
				names[w.arg()] = name
				herd = append(herd, w)
				if !f.unfiltered {
					args = append(args, "-p", w.arg())
				}
			}
			realTime := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 10}
			if err := unix.SchedSetAttr(herd[0].pid(), realTime, 0); err != nil {
				t.Logf("no real-time process here: %v", err)
			}
			cmd, stderr := toFile(t, path, args...)
			for _, w := range herd {
				w.begin()
			}
			for _, w := range herd {
				w.finish()
			}
			if err := cmd.Process.Signal(interrupt); err != nil {
				t.Fatal(err)
			}
			if status := wait(t, cmd); status != 0 {
				t.Fatalf("opensnoop ended with status %d, stderr %q", status, stderr)
			}

			rows, unread := 0, 0
			table := readCSV(t, path)
			for _, fields := range table[1:] {
				row := make(map[string]string)
				for j, name := range table[0] {
					row[name] = fields[j]
				}
				if f.unfiltered && names[row["pid"]] == "" {
					continue // another process
				}
				rows++
				switch name := row["file"]; {
				case row["comm"] != openerComm:
					t.Errorf("a row of another comm: %v", row)
				case name == "" && (skipped || row["fd"] == "" && row["error"] == ""):
					unread++ // its name was not seen, or neither that nor its end
				case name != names[row["pid"]] && name != end:
					t.Errorf("not a name of process %s: %v", row["pid"], row)
				case row["error"] != "" && row["error"] != "ENOENT":
					t.Errorf("not the result of that call: %v", row)
				}
			}
			if opens := floods * (each + 1); !f.unfiltered {
				wantCounted(t, rows, opens, stderr.String())
			} else if said := stderr.String(); rows == 0 || rows > opens || rows+lostAtMost(t, said) < opens {
				t.Errorf("%d rows of %d opens; stderr %q", rows, opens, said)
			} else {
				t.Logf("%d rows of %d opens, and up to %d of all lost", rows, opens, lostAtMost(t, said))
			}
			if unread > 0 && !skipped {
				t.Errorf("%s %s: %d names were not read", probe, columns, unread)
			}
		}
	})
}

// refusesResults reports whether a probe has no results on this kernel, and looks that it says so.
func refusesResults(t *testing.T, probe string) bool {
	t.Helper()
	if probe != "--probe=fentry" || bestProbe(t) != "kprobe" {
		return false
	}
	wantError(t, runToEnd(t, exec.Command(opensnoop, probe, "--columns", "fd")), 1, "preempted")
	return true
}

// readCSV reads the rows of a file.
func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestLossIsCountedExactly(t *testing.T) {
	const opens = 200_000
	flood := prepare(t, "flood", strconv.Itoa(opens), floodFile)
	tr := start(t, "-p", flood.arg(), "-b", "1")
	// Stopped, it cannot empty its buffer.
	if err := tr.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	flood.run()
	if err := tr.cmd.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	rows := 0
	for range tr.lines { // it ends with the process
		rows++
	}
	tr.wantStatus(0)
	if !strings.Contains(tr.stderr.String(), "the perf buffer was full") {
		t.Errorf("the cause is not told: %s", tr.stderr)
	}
	wantCounted(t, rows, opens+1, tr.stderr.String())
	if lost(t, tr.stderr.String()) == 0 {
		t.Error("a tracer that was stopped has lost nothing")
	}
}

func TestReaderThatStopsReading(t *testing.T) {
	const opens = 20_000
	flood := prepare(t, "flood", strconv.Itoa(opens), floodFile)
	cmd := exec.Command(opensnoop, "-p", flood.arg())
	stderr := &lockedBuffer{}
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if _, err := io.ReadFull(stdout, make([]byte, len(header)+1)); err != nil {
		t.Fatal(err)
	}
	flood.run()
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// Not cmd.Wait yet: it closes the pipe. The end shows by its last message.
	eventually(t, "the end", func() bool { return lostPattern.MatchString(stderr.String()) })
	rest, err := io.ReadAll(stdout)
	if err != nil {
		t.Fatal(err)
	}
	if status := wait(t, cmd); status != 0 {
		t.Fatalf("opensnoop ended with status %d, stderr %q", status, stderr)
	}
	wantCounted(t, bytes.Count(rest, []byte("\n")), opens+1, stderr.String())
	if lost(t, stderr.String()) == 0 {
		t.Error("with a reader that does not read nothing was lost")
	}
}

// Calls that block hold the instances of the kernel's return probe.
func TestBlockedCalls(t *testing.T) {
	const blocked, opens = 300, 500
	for _, how := range []string{"blocked", "blocked-unfaulted"} {
		t.Run(how, func(t *testing.T) {
			fifo := makeFIFO(t, "")
			tr := start(t, "-n", openerComm)
			herd := prepare(t, how, strconv.Itoa(blocked), fifo)
			herd.begin()
			seen := make(map[int]bool)
			late, again := time.After(patience), time.NewTicker(againTime)
			defer again.Stop()
			for len(seen)+lostSoFar(t, tr.stderr.String()) < blocked {
				select {
				case line, ok := <-tr.lines:
					if !ok {
						tr.failEnded()
					}
					r := parseRow(t, line)
					// Without kprobes nobody sees the kernel's copy of a name.
					unread := how == "blocked-unfaulted" && !kprobes() && strings.HasPrefix(r.file, unreadMark)
					if r.file == fifo || unread {
						if seen[r.pid] {
							t.Errorf("the blocked open of process %d shows twice", r.pid)
						}
						seen[r.pid] = true
					}
				case <-again.C: // losses are told without a row
				case <-late:
					t.Fatalf("%d blocked opens of %d show, stderr %q", len(seen), blocked, tr.stderr)
				}
			}

			tr.wantOpens(slices.Repeat([]string{floodFile}, opens), "flood", strconv.Itoa(opens), floodFile)
			var want []string
			for i := range opens {
				want = append(want, fmt.Sprintf("/tmp/unfaulted-%d", i))
			}
			tr.wantOpens(want, "unfaulted", strconv.Itoa(opens), "/tmp/unfaulted")
			if rows := tr.allRowsOf(4, func() int { return open(t, "bad") }); len(rows) != 4 {
				t.Errorf("%d rows of 4 bad pointers: %q", len(rows), files(rows))
			}
			tr.stop(interrupt)
		})
	}
}
