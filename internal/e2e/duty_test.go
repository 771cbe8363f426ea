package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// needGuest skips a test that does to the machine what only a guest may suffer.
func needGuest(t *testing.T) {
	t.Helper()
	if os.Getenv("OPENSNOOP_GUEST") == "" {
		t.Skip("NOT TESTED: this is for guests only")
	}
}

// write writes into a file of the kernel's.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

// setOnline takes a CPU off line or brings it back.
func setOnline(t *testing.T, cpu int, on string) {
	t.Helper()
	write(t, fmt.Sprintf("/sys/devices/system/cpu/cpu%d/online", cpu), on)
}

// openOn is open on one CPU.
func openOn(t *testing.T, cpu int, args ...string) int {
	t.Helper()
	w := prepare(t, args...)
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(w.pid(), &set); err != nil {
		t.Fatalf("moving the opener to CPU %d: %v", cpu, err)
	}
	w.run()
	return w.pid()
}

// CPUs come and go, before the start and after, and what opens on them shows or is told as
// lost.
func TestRingsFollowTheCPUs(t *testing.T) {
	needGuest(t)
	const floods = 100
	forEachProbe(t, func(t *testing.T, probe string) {
		t.Cleanup(func() { setOnline(t, 1, "1") })
		setOnline(t, 1, "0")
		path := filepath.Join(t.TempDir(), "rows")
		cmd, stderr := toFile(t, path, probe, "--path", "/on-cpu-*")
		opens := 0
		flood := func(cpu int) {
			t.Helper()
			openOn(t, cpu, "flood", fmt.Sprint(floods), fmt.Sprintf("/on-cpu-%d", cpu))
			opens += floods
		}
		rows := func(cpu int) (n int) {
			fileRows(t, path, func(line []byte) {
				if bytes.HasSuffix(line, fmt.Appendf(nil, "/on-cpu-%d", cpu)) {
					n++
				}
			})
			return n
		}
		flood(0)
		flood(2)
		eventually(t, "the opens on CPUs beyond one that is off line", func() bool { return rows(0) == floods && rows(2) == floods })
		for range 3 {
			setOnline(t, 1, "1")
			before := rows(1)
			eventually(t, "an open on the CPU that came on line", func() bool {
				openOn(t, 1, "flood", "1", "/on-cpu-1")
				opens++
				return rows(1) > before
			})
			before = rows(1)
			flood(1)
			eventually(t, "all opens on it", func() bool { return rows(1) >= before+floods })
			setOnline(t, 1, "0")
		}
		// As quickly as it goes, and without waiting for anything.
		for range 3 {
			setOnline(t, 1, "1")
			flood(1)
			setOnline(t, 1, "0")
		}
		if err := cmd.Process.Signal(interrupt); err != nil {
			t.Fatal(err)
		}
		if status := wait(t, cmd); status != 0 {
			t.Fatalf("opensnoop ended with status %d, stderr %q", status, stderr)
		}
		shown := rows(0) + rows(1) + rows(2)
		wantCounted(t, shown, opens, stderr.String())
	})
}

// Without /sys all CPUs are served.
func TestWithoutSys(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		if kprobes() && probe != "--probe=tracepoint" {
			t.Skip("kprobes are attached by what /sys tells")
		}
		tr := startCommand(t, exec.Command("unshare", "-m", "sh", "-c", `umount -l /sys && exec "$0" "$@"`, opensnoop, probe))
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(0, &set); err != nil {
			t.Fatal(err)
		}
		for cpu := range set.Count() {
			tr.wantRowsOf([]string{"/without-sys"}, func() int { return openOn(t, cpu, "names", "/without-sys") })
		}
		tr.stop(interrupt)
	})
}

// Sessions stop where the kernel is told to trace no functions.
func TestSilentSessions(t *testing.T) {
	const file = "/proc/sys/kernel/ftrace_enabled"
	needGuest(t)
	if !kprobes() || !atLeast(t, 6, 14) {
		t.Skip("NOT TESTED: sessions are used since Linux 6.14")
	}
	tr := startBare(t, "--probe=session", "--columns", "comm,pid,fd,file")
	if err := os.WriteFile(file, []byte("0"), 0); errors.Is(err, unix.EOPNOTSUPP) {
		t.Skipf("NOT TESTED: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { write(t, file, "1") })
	eventually(t, "the message that no open shows", func() bool {
		return strings.Contains(tr.stderr.String(), "opensnoop: no open shows: the kprobe session on do_sys_openat2 no longer fires: sysctl kernel.ftrace_enabled is 0")
	})
	wantError(t, runToEnd(t, exec.Command(opensnoop, "--probe", "session", "-d", "0.1")), 1, "session: sysctl kernel.ftrace_enabled is 0")
	write(t, file, "1")
	eventually(t, "the message that opens show", func() bool {
		return strings.Contains(tr.stderr.String(), "opensnoop: opens show again")
	})
}

// Kprobes that are switched off attach all the same, and fire no more.
func TestSilentKprobes(t *testing.T) {
	needGuest(t)
	if !kprobes() {
		t.Skip("no kprobes here")
	}
	if err := unix.Mount("debugfs", "/sys/kernel/debug", "debugfs", 0, ""); err != nil && err != unix.EBUSY {
		t.Fatal(err)
	}
	for what, file := range map[string]string{
		"kernel.ftrace_enabled is 0":             "/proc/sys/kernel/ftrace_enabled",
		"/sys/kernel/debug/kprobes/enabled is 0": "/sys/kernel/debug/kprobes/enabled",
	} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			tr := start(t, "--probe=kprobe")
			// Newer kernels refuse it while a kprobe is attached.
			if err := os.WriteFile(file, []byte("0"), 0); errors.Is(err, unix.EOPNOTSUPP) {
				t.Skipf("NOT TESTED: %v", err)
			} else if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { write(t, file, "1") })
			eventually(t, "the message that no open shows", func() bool {
				return strings.Contains(tr.stderr.String(), "opensnoop: no open shows: the kprobe on do_sys_openat2 no longer fires: ")
			})
			if !strings.Contains(tr.stderr.String(), what) {
				t.Errorf("no cause in %q", tr.stderr)
			}
			write(t, file, "1")
			eventually(t, "the message that opens show", func() bool {
				return strings.Contains(tr.stderr.String(), "opensnoop: opens show again")
			})
			tr.rowsOf(open(t, "names", "/again"))
			tr.stop(interrupt)

			write(t, file, "0")
			fallback := start(t, "-v")
			if bestProbe(t) == "kprobe" || strings.Contains(what, "ftrace") {
				eventually(t, "the reason for the other probe", func() bool {
					got := fallback.stderr.String()
					return strings.Contains(got, "using the raw tracepoints") && strings.Contains(got, what)
				})
			} // else it is one that nobody has switched off
			fallback.rowsOf(open(t, "names", "/by-the-other-probe"))
			fallback.stop(interrupt)
			wantError(t, runToEnd(t, exec.Command(opensnoop, "--probe", "kprobe")), 1, "does not fire", what)
		})
	}
}

// The time of day follows the clock that is set while tracing.
func TestClockThatIsSet(t *testing.T) {
	needGuest(t)
	forEachProbe(t, func(t *testing.T, probe string) {
		tr := startBare(t, probe, "-o", "json", "-n", openerComm)
		wantTimeOfDay := func() {
			t.Helper()
			before := time.Now().Round(0)
			pid := open(t, "names", "/what-time-is-it")
			var rows []object
			for late := time.After(patience); len(rows) == 0; {
				rows = objects(t, []string{tr.nextBefore(late)}, pid)
			}
			if off := rows[0].Time.Sub(before); off < -time.Second || off > patience {
				t.Errorf("it is %v, and the row says %v", before, rows[0].Time)
			}
		}
		wantTimeOfDay()
		for _, step := range []time.Duration{-90 * time.Minute, 90 * time.Minute} {
			now := unix.NsecToTimeval(time.Now().Add(step).UnixNano())
			if err := unix.Settimeofday(&now); err != nil {
				t.Fatal(err)
			}
			wantTimeOfDay()
		}
		tr.stop(interrupt)
	})
}

// In a time namespace the clocks are other ones than the kernel's.
func TestTimeNamespace(t *testing.T) {
	if !atLeast(t, 6, 3) {
		t.Skip("NOT TESTED: before Linux 6.3 a program that unshare -T runs can start no threads")
	}
	for _, offset := range []string{"-1", "-200", "100000"} {
		tr := startCommand(t, exec.Command("unshare", "-T", "--monotonic", offset, "--boottime", offset, opensnoop))
		tr.rowsOf(open(t, "names", "/in-a-time-namespace"))
		tr.stop(interrupt)
		w := prepare(t, "names", "/in-a-time-namespace")
		json := launch(t, exec.Command("unshare", "-T", "--monotonic", offset, "--boottime", offset, opensnoop, "-v", "-o", "json", "-p", w.arg()))
		json.ready()
		w.run()
		rows := objects(t, json.rest(), w.pid())
		if len(rows) != 2 {
			t.Errorf("offset %s: %d rows", offset, len(rows))
		}
		for _, o := range rows {
			if off := time.Since(o.Time); off < -time.Second || off > patience {
				t.Errorf("offset %s: the row of a moment ago says %v", offset, o.Time)
			}
		}
	}
}
