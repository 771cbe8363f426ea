package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
	for {
		for _, o := range objects(tr.t, []string{tr.line()}, pid) {
			if o.bytes() == end {
				return got
			}
			if !strings.HasPrefix(o.bytes(), "/proc/self/task/") {
				got = append(got, o.nameAndResult())
			}
		}
	}
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

// While an open blocks, its name in the program's memory changes.
func TestNameIsTheOneOpened(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		for _, how := range []string{"overwritten", "overwritten-unfaulted"} {
			if how == "overwritten-unfaulted" && (!kprobes() || probe == "--probe=tracepoint") {
				continue // only kprobes see the kernel's copy
			}
			for what, other := range map[string]string{"another name": "/another/name", "no name": ""} {
				t.Run(how+" by "+what, func(t *testing.T) {
					fifo := makeFIFO(t, map[bool]string{true: longFolder}[other == ""])
					all := startBare(t, probe, "-o", "json", "--columns", "fd,err,pid,file")
					paths := []string{"--path", fifo, "--path", end}
					if kprobes() && (how != "overwritten" || other == "") {
						// The kernel compares none of these: it is the program that is in the
						// cache, and such a guest compiles for long.
						paths = []string{"--path", "**/" + filepath.Base(fifo), "--path", "**" + end}
					}
					if probe == "--probe=fentry" {
						paths = nil // it has no absolute ones
					}
					named := startBare(t, append([]string{probe, "-o", "json", "--columns", "fd,err,pid,file"}, paths...)...)
					failed := startBare(t, append([]string{probe, "-o", "json", "-x", "--columns", "fd,err,pid,file"}, paths...)...)
					pid := open(t, how, fifo, other)
					// It is opened to read, and by the opener to write.
					both := []string{fifo + " ok", fifo + " ok"}
					wantRows(t, all.allNamesAndResults(pid), both...)
					wantRows(t, named.allNamesAndResults(pid), both...)
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
		all := startBare(t, probe, "-o", "json", "--columns", "fd,err,pid,file")
		failed := startBare(t, probe, "-o", "json", "-x", "--columns", "pid,err,file")
		pid := open(t, "interrupted", fifo, seconds)
		want := []string{"/in-the-handler ENOENT", fifo + " EINTR"}
		wantRows(t, all.namesAndResults(pid), want...)
		wantRows(t, failed.namesAndResults(pid), want...)
		pid = open(t, "restarted", fifo, "1")
		wantRows(t, all.namesAndResults(pid), "/in-the-handler ENOENT", fifo+" ok")
		wantRows(t, failed.namesAndResults(pid), "/in-the-handler ENOENT")
	})
}

// A page that never comes holds up the opener, but not the tracer.
func TestStuckName(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		for _, columns := range []string{"pid,file", "pid,fd,file"} {
			tr := startBare(t, probe, "-o", "json", "--columns", columns)
			stuck := prepare(t, "stuck")
			stuck.begin()
			eventually(t, "the call that is stuck", func() bool { return inCallOf(t, stuck.pid()) == 1 })
			if columns == "pid,file" {
				for {
					var o object
					if err := json.Unmarshal([]byte(tr.line()), &o); err != nil {
						t.Fatal(err)
					}
					if o.PID == stuck.pid() && o.Unread != nil {
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
		tr := startBare(t, probe, "-o", "json", "--columns", "fd,err,pid,file")
		got := tr.namesAndResults(open(t, "by-handle", file))
		if len(got) == 2 { // the file system has no handles
			wantRows(t, got, file+" ok", "(handle) ESTALE")
		} else {
			wantRows(t, got, file+" ok", "(handle) ok", "(handle) ESTALE")
		}
		table := start(t, probe)
		if rows := table.rowsOf(open(t, "by-handle", file)); !strings.HasPrefix(rows[len(rows)-1].file, `\(file handle at 0x`) {
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
		tr := startBare(t, probe, "-o", "json", "--columns", "fd,err,pid,file")
		wantRows(t, tr.namesAndResults(open(t, "refused", dir)),
			dir+"/small EINVAL", dir+"/large E2BIG", dir+"/garbage E2BIG", dir+"/null EFAULT")
		table := start(t, probe)
		wantFiles(t, table.rowsOf(open(t, "refused", dir)), dir+"/small", dir+"/large", dir+"/garbage", dir+"/null")
	})
}

func TestResultsOfIOUring(t *testing.T) {
	if !atLeast(t, 6, 0) {
		t.Skip("NOT TESTED: opens through io_uring show since Linux 6.0")
	}
	forEachProbe(t, func(t *testing.T, probe string) {
		file := filepath.Join(t.TempDir(), "file")
		open(t, "flags", fmt.Sprint(unix.O_CREAT), file)
		all := startBare(t, probe, "-o", "json", "--columns", "fd,err,pid,file")
		failed := startBare(t, probe, "-o", "json", "-x", "--columns", "err,pid,file")
		pid := open(t, "uring-results", file)
		rows := all.namesAndResults(pid)
		// What has no completion comes late.
		wantRows(t, rows, file+" ok", file+" ok", file+" fixed 2", file+" fixed 3", file+"-missing ENOENT")
		wantRows(t, failed.namesAndResults(pid), file+"-missing ENOENT")
		if rest := objects(t, all.rest(), pid); len(rest) != 1 || rest[0].FD != nil || rest[0].Error != nil || rest[0].bytes() != file {
			t.Errorf("after the end: %+v", rest)
		}
	})
}
