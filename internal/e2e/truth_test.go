package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/kernel"
)

// longFolder makes a name longer than what has room beside a pending call.
var longFolder = strings.Repeat("long", 50)

// makeFIFO makes a FIFO in that folder of this test.
func makeFIFO(t *testing.T, folder string) string {
	t.Helper()
	fifo := filepath.Join(t.TempDir(), folder, "fifo")
	if err := os.MkdirAll(filepath.Dir(fifo), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	return fifo
}

// namesAndResults returns what the tracer writes up to the end of an opener, less what its
// waiting for a thread in /proc opens: for each row the object's fields, as NAME RESULT.
func (tr *tracer) namesAndResults(pid int) []string {
	tr.t.Helper()
	var got []string
	number := strconv.Itoa(pid)
	tr.toEnd(pid, func(line string) int {
		if !strings.Contains(line, number) && !strings.Contains(line, end) {
			return 0
		}
		var o object
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			tr.t.Fatalf("%v: %s", err, line)
		}
		switch name := o.bytes(); {
		case name == end:
			return o.PID
		case o.PID == pid && !strings.HasPrefix(name, "/proc/self/task/"):
			got = append(got, o.nameAndResult())
		}
		return 0
	})
	return got
}

func (o *object) nameAndResult() string {
	name := o.bytes()
	switch {
	case o.Handle != nil:
		name = "(handle)"
	case o.Unread != nil:
		name = "(unread)"
	case o.BadAddress != nil:
		name = "(bad)"
	case o.Known != nil:
		name = "(unsure) " + *o.Known
	}
	switch {
	case o.FixedFD != nil:
		return fmt.Sprint(name, " fixed ", *o.FixedFD)
	case o.Error != nil:
		return name + " " + *o.Error
	case o.FD != nil:
		return name + " ok"
	}
	return name + " ?"
}

// allNamesAndResults is the same with what comes after the opener's end. A result that is
// unknown because the kernel skipped a program that it had preempted counts as ok.
func (tr *tracer) allNamesAndResults(pid int) []string {
	tr.t.Helper()
	got := tr.namesAndResults(pid)
	for _, o := range objects(tr.t, tr.rest(), pid) {
		got = append(got, o.nameAndResult())
	}
	if preemptsTracepoints(tr.t) {
		for i, row := range got {
			if name, unknown := strings.CutSuffix(row, " ?"); unknown {
				got[i] = name + " ok"
			}
		}
	}
	return got
}

// resultsOf returns those of an opener.
func resultsOf(t *testing.T, probe string, opener ...string) []string {
	t.Helper()
	w := prepare(t, opener...)
	tr := startBare(t, probe, "-o", "json", "-p", w.arg(), "--columns", "fd,err,pid,file")
	w.run()
	return tr.namesAndResults(w.pid())
}

// preemptsTracepoints reports whether this kernel may preempt the programs of tracepoints.
func preemptsTracepoints(t *testing.T) bool {
	t.Helper()
	return atLeast(t, 7, 0)
}

// atLeast reports whether the kernel is of this version or a later one.
func atLeast(t *testing.T, major, minor uint) bool {
	t.Helper()
	version, err := kernel.CurrentVersion()
	if err != nil {
		t.Fatal(err)
	}
	return version >= kernel.NewVersion(major, minor, 0)
}

func wantRows(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// While an open blocks, its name in the program's memory changes: the kernel has a copy.
func TestNameIsTheOneOpened(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		for _, how := range []string{"overwritten", "overwritten-unfaulted"} {
			if how == "overwritten-unfaulted" && (!kprobes() || probe == "--probe=tracepoint") {
				continue // only kprobes see the kernel's copy
			}
			for what, other := range map[string]string{"another name": "/another/name", "no name": ""} {
				t.Run(how+" by "+what, func(t *testing.T) {
					fifo := makeFIFO(t, map[bool]string{true: longFolder}[other == ""])
					caller := prepare(t, how, fifo, other)
					flags := []string{probe, "-o", "json", "--columns", "fd,err,pid,file", "-p", caller.arg()}
					all := startBare(t, flags...)
					paths := []string{"--path", fifo, "--path", end}
					if kprobes() && (how != "overwritten" || other == "") {
						// The kernel compares none of these: it is the program that is in the
						// cache, and such a guest compiles for long.
						paths = []string{"--path", "**/" + filepath.Base(fifo), "--path", "**" + end}
					}
					if probe == "--probe=fentry" {
						paths = nil // it has no absolute ones
					}
					named := startBare(t, slices.Concat(flags, paths)...)
					failed := startBare(t, slices.Concat(flags, []string{"-x"}, paths)...)
					caller.run()
					pid := caller.pid()
					// It is opened to read, and by the opener to write.
					both := []string{fifo + " ok", fifo + " ok"}
					if !kprobes() || probe == "--probe=tracepoint" {
						both = []string{"(unsure) " + fifo + " ok", fifo + " ok"} // it is read again at the end
					}
					wantRows(t, slices.Sorted(slices.Values(all.allNamesAndResults(pid))), both...)
					wantRows(t, slices.Sorted(slices.Values(named.allNamesAndResults(pid))), both...)
					wantRows(t, failed.namesAndResults(pid))
				})
			}
		}
	})
}

// A call shows what the program got, whatever signals came.
func TestInterruptedCalls(t *testing.T) {
	const seconds = "4" // longer than anything of ours waits
	forEachProbe(t, func(t *testing.T, probe string) {
		fifo := makeFIFO(t, longFolder)
		interrupted, restarted := prepare(t, "interrupted", fifo, seconds), prepare(t, "restarted", fifo, "1")
		both := interrupted.arg() + "," + restarted.arg()
		all := startBare(t, probe, "-o", "json", "-p", both, "--columns", "fd,err,pid,file")
		failed := startBare(t, probe, "-o", "json", "-p", both, "-x", "--columns", "pid,err,file")
		interrupted.run()
		want := []string{"/in-the-handler ENOENT", fifo + " EINTR"}
		wantRows(t, all.namesAndResults(interrupted.pid()), want...)
		wantRows(t, failed.namesAndResults(interrupted.pid()), want...)
		restarted.run()
		wantRows(t, all.namesAndResults(restarted.pid()), "/in-the-handler ENOENT", fifo+" ok")
		wantRows(t, failed.namesAndResults(restarted.pid()), "/in-the-handler ENOENT")
	})
}

// A page that never comes holds up the opener, but not the tracer.
func TestStuckName(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		for _, columns := range []string{"pid,file", "pid,fd,file"} {
			stuck := prepare(t, "stuck")
			tr := startBare(t, probe, "-o", "json", "-p", stuck.arg(), "--columns", columns)
			stuck.begin()
			eventually(t, "the call that is stuck", func() bool { return inCallOf(t, stuck.pid()) == 1 })
			if columns == "pid,file" {
				for late := time.After(patience); ; {
					rows := objects(t, []string{tr.nextBefore(late)}, stuck.pid())
					if len(rows) == 1 && rows[0].Unread != nil {
						break
					}
				}
				tr.stop(unix.SIGTERM)
				continue
			}
			rows := objects(t, tr.rest(), stuck.pid())
			if i := slices.IndexFunc(rows, func(o object) bool { return o.Unread != nil && o.FD == nil }); i < 0 {
				t.Errorf("no row of the call that is stuck: %+v", rows)
			}
		}
	})
}

func TestOpensByHandleShow(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		file := filepath.Join(t.TempDir(), "file")
		open(t, "flags", fmt.Sprint(unix.O_CREAT), file)
		got := resultsOf(t, probe, "by-handle", file)
		if len(got) == 2 { // the file system has no handles
			wantRows(t, got, file+" ok", "(handle) ESTALE")
		} else {
			wantRows(t, got, file+" ok", "(handle) ok", "(handle) ESTALE")
		}
		table := start(t, probe)
		rows := table.allRowsOf(len(got), func() int { return open(t, "by-handle", file) })
		if !strings.HasPrefix(rows[len(rows)-1].file, `\(file handle at 0x`) {
			t.Errorf("rows %q", files(rows))
		}
	})
}

// The kernel refuses some calls before it comes to its open function.
func TestRefusedCallsShow(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		if kprobes() && probe != "--probe=tracepoint" && !atLeast(t, 5, 15) {
			t.Skip("NOT TESTED: the kprobe probe sees these since Linux 5.15")
		}
		dir := t.TempDir()
		wantRows(t, resultsOf(t, probe, "refused", dir),
			dir+"/small EINVAL", dir+"/large E2BIG", dir+"/garbage E2BIG", dir+"/null EFAULT")
		table := start(t, probe)
		table.wantOpens([]string{dir + "/small", dir + "/large", dir + "/garbage", dir + "/null"}, "refused", dir)
	})
}

func TestResultsOfIOUring(t *testing.T) {
	if !atLeast(t, 6, 0) {
		t.Skip("NOT TESTED: opens through io_uring show since Linux 6.0")
	}
	forEachProbe(t, func(t *testing.T, probe string) {
		file := filepath.Join(t.TempDir(), "file")
		open(t, "flags", fmt.Sprint(unix.O_CREAT), file)
		caller := prepare(t, "uring-results", file)
		pid := caller.pid()
		all := startBare(t, probe, "-o", "json", "-p", caller.arg(), "--columns", "fd,err,pid,file")
		failed := startBare(t, probe, "-o", "json", "-p", caller.arg(), "-x", "--columns", "err,pid,file")
		caller.run()
		rows := all.namesAndResults(pid)
		// What has no completion comes late.
		wantRows(t, rows, file+" ok", file+" ok", file+" fixed 2", file+" fixed 3", file+"-missing ENOENT")
		wantRows(t, failed.namesAndResults(pid), file+"-missing ENOENT")
		if rest := objects(t, all.rest(), pid); len(rest) != 1 || rest[0].FD != nil || rest[0].Error != nil || rest[0].bytes() != file {
			t.Errorf("after the end: %+v", rest)
		}
	})
}
