package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// report is what doctor -o json writes.
type report struct {
	CanTrace bool `json:"can_trace"`
	Checks   []struct{ Name, Status, Found, Meaning, Remedy string }
	Live     []struct {
		Name, Status, Hook, Note, Seen string
		Stages                         []struct {
			Name         string
			Milliseconds float64
			Error        string
		}
	}
}

func examine(t *testing.T, status int, cmd *exec.Cmd) report {
	t.Helper()
	r := runToEnd(t, cmd)
	if r.status != status || r.stderr != "" {
		t.Fatalf("status %d, want %d; stderr %q, stdout %s", r.status, status, r.stderr, r.stdout)
	}
	var got report
	decoder := json.NewDecoder(strings.NewReader(r.stdout))
	if err := decoder.Decode(&got); err != nil {
		t.Fatalf("%v: %s", err, r.stdout)
	}
	if decoder.More() {
		t.Errorf("more than one object: %s", r.stdout)
	}
	return got
}

// check returns the status of a check and all that it says.
func (r *report) check(t *testing.T, name string) (status, text string) {
	t.Helper()
	for _, c := range r.Checks {
		if c.Name == name {
			return c.Status, c.Found + "\n" + c.Meaning + "\n" + c.Remedy
		}
	}
	t.Fatalf("no check %q in %+v", name, r.Checks)
	panic("not reached")
}

func TestDoctor(t *testing.T) {
	got := examine(t, 0, exec.Command(opensnoop, "doctor", "-o", "json"))
	if !got.CanTrace || got.Live != nil {
		t.Errorf("%+v", got)
	}
	kprobeStatus, kprobeText := got.check(t, "kprobes")
	_, probe := got.check(t, "probe")
	if kprobes() {
		if kprobeStatus != "ok" || !strings.Contains(probe, bestProbe(t)+" probe will be used") {
			t.Errorf("kprobes %s, probe %q", kprobeStatus, probe)
		}
	} else if kprobeStatus != "warn" || !strings.Contains(kprobeText, "no kprobes") || !strings.Contains(probe, "tracepoint probe will be used") {
		t.Errorf("kprobes %s %q, probe %q", kprobeStatus, kprobeText, probe)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if _, text := got.check(t, "tracefs"); strings.Contains(text, "not mounted") == strings.Contains(string(mounts), " - tracefs ") {
		t.Errorf("tracefs: %q", text)
	}
	if _, text := got.check(t, "kernel headers"); !strings.Contains(text, "does not need them") {
		t.Errorf("kernel headers: %q", text)
	}
	if _, text := got.check(t, "libbcc and LLVM"); strings.Contains(text, "unknown") {
		t.Errorf("libraries: %q", text)
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		t.Fatal(err)
	}
	if _, text := got.check(t, "kernel"); !strings.Contains(text, unix.ByteSliceToString(uts.Release[:])) {
		t.Errorf("kernel: %q", text)
	}

	// A person is told the verdict first, and with -v the same checks, in 80 columns.
	const verdict = "opensnoop can trace here.\n"
	if r := runToEnd(t, exec.Command(opensnoop, "doctor")); r.status != 0 || !strings.HasPrefix(r.stdout, verdict) ||
		!strings.Contains(r.stdout, " checks passed (-v shows them).\n") || kprobes() == strings.Contains(r.stdout, "no kprobes") {
		t.Errorf("status %d, %s", r.status, r.stdout)
	}
	r := runToEnd(t, exec.Command(opensnoop, "doctor", "-v"))
	if r.status != 0 || !strings.HasPrefix(r.stdout, verdict) {
		t.Errorf("status %d, %s", r.status, r.stdout)
	}
	for _, c := range got.Checks {
		if !strings.Contains(r.stdout, fmt.Sprintf("\n%-4s  %s: ", c.Status, c.Name)) {
			t.Errorf("the report has no %s: %s", c.Name, r.stdout)
		}
	}
	for line := range strings.Lines(r.stdout) {
		if utf8.RuneCountInString(line) > 80+1 {
			t.Errorf("wider than 80 columns: %s", line)
		}
	}
}

func TestDoctorWithoutRights(t *testing.T) {
	got := examine(t, 1, asNobody(t, nil, "doctor", "-o", "json"))
	status, text := got.check(t, "capabilities")
	if got.CanTrace || status != "fail" || !strings.Contains(text, "CAP_BPF, CAP_PERFMON") || !strings.Contains(text, "sudo") {
		t.Errorf("can trace %v; capabilities: %s %q", got.CanTrace, status, text)
	}
	for _, c := range got.Checks {
		if c.Status == "fail" && c.Name != "capabilities" {
			t.Errorf("%+v", c)
		}
	}
	examine(t, 1, asNobody(t, nil, "doctor", "--live", "-o", "json"))
	if r := runToEnd(t, asNobody(t, nil, "doctor", "--live")); r.status != 1 || !strings.Contains(r.stdout, "\nThe live checks were not run: they need root. Use sudo.\n") {
		t.Errorf("without root: status %d, %s", r.status, r.stdout)
	}
}

func TestDoctorInUserNamespace(t *testing.T) {
	cmd := exec.Command(opensnoop, "doctor", "-o", "json")
	root := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: root, GidMappings: root}
	got := examine(t, 1, cmd)
	if status, text := got.check(t, "BPF"); status != "fail" || !strings.Contains(text, "user namespace") {
		t.Errorf("BPF: %s %q", status, text)
	}
}

func TestDoctorUsage(t *testing.T) {
	wantError(t, runToEnd(t, exec.Command(opensnoop, "doctor", "-o", "xml")), 2, "xml", "json")
	wantError(t, runToEnd(t, exec.Command(opensnoop, "doctor", "please")), 2, `"please"`)
}

// wantLive checks a report's live checks, which all pass.
func wantLive(t *testing.T, got report) {
	t.Helper()
	if len(got.Live) != 3 {
		t.Fatalf("%d live checks", len(got.Live))
	}
	for i, seen := range []string{"Hello, World!", "file=/", "/"} {
		l := got.Live[i]
		var names []string
		for _, s := range l.Stages {
			names = append(names, s.Name)
			if s.Error != "" || s.Milliseconds < 0 {
				t.Errorf("%s: %+v", l.Name, s)
			}
		}
		if l.Status != "ok" || !slices.Equal(names, []string{"compiled", "loaded", "attached", "event seen", "detached"}) {
			t.Errorf("%+v", l)
		}
		if !strings.Contains(l.Seen, seen) {
			t.Errorf("%s: saw %q", l.Name, l.Seen)
		}
		if kprobes() != (strings.HasPrefix(l.Hook, "kprobe") || strings.HasPrefix(l.Hook, "fentry")) {
			t.Errorf("%s: by %q", l.Name, l.Hook)
		}
		if !kprobes() && !strings.Contains(l.Note, "no kprobes") {
			t.Errorf("%s: the note does not say what stands in: %q", l.Name, l.Note)
		}
	}
	if !strings.Contains(got.Live[1].Seen, "pid=") {
		t.Errorf("saw %q", got.Live[1].Seen)
	}
}

func TestLive(t *testing.T) {
	before := mounts(t)
	wantLive(t, examine(t, 0, exec.Command(opensnoop, "doctor", "--live", "-o", "json")))
	if after := mounts(t); after != before {
		t.Errorf("the mounts are now %s, were %s", after, before)
	}
	r := runToEnd(t, exec.Command(opensnoop, "doctor", "--live"))
	if r.status != 0 || strings.Count(r.stdout, "event seen") != 3 {
		t.Errorf("status %d: %s", r.status, r.stdout)
	}
}

func mounts(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// mountTracefs mounts tracefs where it belongs, unless it is there. In a guest
// and on a machine without, it goes again at the end.
func mountTracefs(t *testing.T) string {
	t.Helper()
	const place = "/sys/kernel/tracing"
	if _, err := os.Stat(filepath.Join(place, "trace_pipe")); err == nil {
		return place
	}
	if err := unix.Mount("tracefs", place, "tracefs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(place, 0); err != nil {
			t.Error(err)
		}
	})
	return place
}

// tracefsState is what a tracer may leave behind in tracefs.
func tracefsState(t *testing.T, place string) string {
	t.Helper()
	var b strings.Builder
	for _, name := range []string{"set_event", "tracing_on", "current_tracer", "kprobe_events", "uprobe_events", "trace_options",
		"events/bpf_trace/bpf_trace_printk/enable"} {
		text, err := os.ReadFile(filepath.Join(place, name))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		b.WriteString(name + ":\n" + string(text))
	}
	instances, err := os.ReadDir(filepath.Join(place, "instances"))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range instances {
		b.WriteString("instance " + i.Name() + "\n")
	}
	return b.String()
}

// Lines that others have not read yet are still there, and nothing else changed.
// An instance left by one that was killed is removed, and no other.
func TestLiveLeavesTracefs(t *testing.T) {
	place := mountTracefs(t)
	foreign := filepath.Join(place, "instances/opensnoop-1")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(foreign) })
	before := tracefsState(t, place)
	pipe, err := os.OpenFile(filepath.Join(place, "trace_pipe"), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if err := os.WriteFile(filepath.Join(place, "trace_marker"), []byte("somebody else's line\n"), 0); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(place, "instances/opensnoop-doctor-1")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(left, "events/bpf_trace/bpf_trace_printk/enable"), "1")

	wantLive(t, examine(t, 0, exec.Command(opensnoop, "doctor", "--live", "-o", "json")))

	if after := tracefsState(t, place); after != before {
		t.Errorf("tracefs was\n%s, is now\n%s", before, after)
	}
	var text strings.Builder
	buf := make([]byte, 1<<16)
	eventually(t, "somebody else's line", func() bool {
		if n, err := unix.Read(int(pipe.Fd()), buf); err == nil {
			text.Write(buf[:n])
		}
		return strings.Contains(text.String(), "somebody else's line")
	})
}

// The error of a failed start ends with what explains it.
func TestStartIsExplained(t *testing.T) {
	// A lockdown that the kernel does not really have, in a mount namespace.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "lockdown"), []byte("none integrity [confidentiality]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `mount --bind "$1" /sys/kernel/security && exec unshare --user --map-root-user "$0"`, opensnoop, dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	r := runToEnd(t, cmd)
	if r.status != 1 || !strings.Contains(r.stderr, "refuses BPF") || !strings.Contains(r.stderr, "\nopensnoop: lockdown: confidentiality: ") {
		t.Errorf("status %d, %q", r.status, r.stderr)
	}
}
