package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const nobody = 65534

// asNobody returns a copy of opensnoop, as an ordinary user with some capabilities. Its test may
// change its rights.
func asNobody(t *testing.T, caps []uintptr, args ...string) *exec.Cmd {
	t.Helper()
	temporary, copied := usersFolder(t), filepath.Join(usersFolder(t), "opensnoop")
	if err := copyProgram("opensnoop", copied); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { wantEmpty(t, temporary) })
	cmd := exec.Command(copied, args...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
		AmbientCaps: caps,
	}
	return cmd
}

// wantError checks for an exit status and a single line on stderr.
func wantError(t *testing.T, r result, status int, words ...string) {
	t.Helper()
	if r.status != status || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "opensnoop: ") {
		t.Errorf("status %d, want %d; stdout %q, stderr %q", r.status, status, r.stdout, r.stderr)
	}
	for _, word := range words {
		if !strings.Contains(r.stderr, word) {
			t.Errorf("the message has no %q: %q", word, r.stderr)
		}
	}
}

func TestMissingCapabilitiesAreNamed(t *testing.T) {
	wantError(t, runToEnd(t, asNobody(t, nil)), 1, "CAP_BPF", "CAP_PERFMON", "sudo")
	r := runToEnd(t, asNobody(t, []uintptr{unix.CAP_BPF}))
	wantError(t, r, 1, "CAP_PERFMON")
	if strings.Contains(r.stderr, "CAP_BPF") {
		t.Errorf("CAP_BPF is named, which is there: %q", r.stderr)
	}
}

// relaxPerf lets CAP_PERFMON suffice for perf buffers.
func relaxPerf(t *testing.T) {
	t.Helper()
	const setting = "/proc/sys/kernel/perf_event_paranoid"
	before, err := os.ReadFile(setting)
	if err != nil {
		t.Fatal(err)
	}
	if level, _ := strconv.Atoi(strings.TrimSpace(string(before))); level > 2 {
		// Debian's own level: not for CAP_PERFMON, and the message must say so.
		r := runToEnd(t, asNobody(t, []uintptr{unix.CAP_BPF, unix.CAP_PERFMON}, "-d", "0.1"))
		if r.status != 0 {
			wantError(t, r, 1, "perf_event_paranoid", "CAP_SYS_ADMIN")
		}
		t.Cleanup(func() {
			if err := os.WriteFile(setting, before, 0); err != nil {
				t.Error(err)
			}
		})
		if err := os.WriteFile(setting, []byte("2"), 0); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCapabilitiesSuffice(t *testing.T) {
	relaxPerf(t)
	tr := startCommand(t, asNobody(t, []uintptr{unix.CAP_BPF, unix.CAP_PERFMON}))
	tr.wantOpens([]string{"/tmp/seen-by-nobody"}, "names", "/tmp/seen-by-nobody")
	tr.stop(interrupt)
}

func TestBPFRefused(t *testing.T) {
	// Root of a user namespace has all capabilities, but not over the kernel.
	cmd := exec.Command(opensnoop)
	root := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: root, GidMappings: root}
	wantError(t, runToEnd(t, cmd), 1, "refuses BPF", "namespace")
}

func TestNamedProbeDoesNotFallBack(t *testing.T) {
	r := runToEnd(t, exec.Command(opensnoop, "--probe", "kprobe", "-d", "0.1"))
	if kprobes() {
		if r.status != 0 || r.stderr != "" {
			t.Errorf("status %d, stderr %q", r.status, r.stderr)
		}
		return
	}
	wantError(t, r, 1, "kprobe", "no kprobes")
}

func TestBadProcesses(t *testing.T) {
	wantError(t, runToEnd(t, exec.Command(opensnoop, "-p", "nginx")), 2, "-p nginx: not a process id: use -n nginx")
	wantError(t, runToEnd(t, exec.Command(opensnoop, "-p", "4194303")), 1, "no process 4194303")
}

// A directory is no file to write, and that is said at once.
func TestWriteToADirectory(t *testing.T) {
	dir := t.TempDir()
	wantError(t, runToEnd(t, exec.Command(opensnoop, "--probe", "tracepoint", "-w", dir)), 1, dir+" is a directory: name a file in it")
}

// On a terminal it is said that nothing of a name runs, and of one that runs it is not.
func TestWaitingIsTold(t *testing.T) {
	const there = "waits-for-it"
	standIn(t, there)
	for _, test := range []struct{ flag, name, want string }{
		{"-n", "no-such-comm", "no process named no-such-comm now; waiting for one"},
		{"--under", "no-such-comm", "no process named no-such-comm now; waiting for one"},
		{"--container", "no-such-one", "no container no-such-one now; waiting for one"},
		{"--unit", "no-such-one", "no unit no-such-one.service now; waiting for one"},
		{"-n", there, ""},
		{"--under", there, ""},
	} {
		said := func() string {
			command := strings.Join([]string{opensnoop, test.flag, test.name, "-d", "1"}, " ")
			return runToEnd(t, exec.Command("script", "-qec", command, "/dev/null")).stdout
		}
		if test.want == "" {
			if got := said(); strings.Contains(got, "waiting for one") {
				t.Errorf("%s %s: %q", test.flag, test.name, got)
			}
			continue
		}
		// It is not said while containers of others begin or end, or are not told in time.
		eventually(t, test.want, func() bool {
			got := said()
			unknown := strings.Contains(got, "cannot be told") // by cgroups of version 1
			return unknown || strings.Contains(got, test.want)
		})
	}
	// Nobody reads this on a pipe, where a start is waited for.
	if r := runToEnd(t, exec.Command(opensnoop, "-n", "no-such-comm", "-d", "1")); strings.Contains(r.stderr, "waiting") {
		t.Errorf("in a pipe: %q", r.stderr)
	}
}

func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	cmd := exec.Command(opensnoop, "--probe", "tracepoint", "-d", "1")
	cmd.Stdout = full
	wantError(t, runToEnd(t, cmd), 1, "no space left")
}

// A failure to write is told at once, not only when the command ends.
func TestFullDiskWithCommand(t *testing.T) {
	stderr := &lockedBuffer{}
	release := filepath.Join(t.TempDir(), "release")
	const run = `mount -t tmpfs -o size=4k tmpfs /mnt && exec "$0" -w /mnt/rows -- "$@"`
	const opens = `until [ -e "$0" ]; do : </dev/null; sleep 0.01; done`
	cmd := exec.Command("unshare", "-m", "sh", "-c", run, opensnoop, "sh", "-c", opens, release)
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	eventually(t, "the message", func() bool {
		return strings.Contains(stderr.String(), "no space left") && strings.Contains(stderr.String(), "the command goes on")
	})
	if err := os.WriteFile(release, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if status := wait(t, cmd); status != 1 || strings.Count(stderr.String(), "no space left") != 1 {
		t.Errorf("status %d, stderr %q", status, stderr)
	}
}

// Numbers of another pid namespace's /proc are not those to trace.
func TestForeignProc(t *testing.T) {
	cmd := exec.Command(opensnoop, "-p", "1", "-d", "0.1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	wantError(t, runToEnd(t, cmd), 1, "/proc is of another pid namespace")
}

func TestClosedStdout(t *testing.T) {
	for _, args := range []string{"-d 0.1", "--ebpf", "doctor", "-- true"} {
		r := runToEnd(t, exec.Command("sh", "-c", `exec "$0" `+args+` >&-`, opensnoop))
		wantError(t, r, 1, "stdout is closed")
	}
	file := filepath.Join(t.TempDir(), "rows")
	r := runToEnd(t, exec.Command("sh", "-c", `exec "$0" -d 0.1 -w "$1" >&-`, opensnoop, file))
	if text, err := os.ReadFile(file); r.status != 0 || err != nil || !strings.HasPrefix(string(text), header) {
		t.Errorf("status %d, stderr %q, rows %q, %v", r.status, r.stderr, text, err)
	}
}

func TestOddSurroundings(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	deep := t.TempDir()
	for len(deep) < 1000 {
		deep = filepath.Join(deep, strings.Repeat("d", 100))
	}
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, cmd := range map[string]*exec.Cmd{
		"folder that was removed": exec.Command("sh", "-c", `mkdir "$1" && cd "$1" && rmdir "$1" && exec "$0" -d 0.1`, opensnoop, gone),
		"folder with a long path": exec.Command("sh", "-c", `cd "$1" && exec "$0" -d 0.1`, opensnoop, deep),
		"foreign environment":     exec.Command("env", "ARCH=arm64", "BCC_KERNEL_SOURCE=/nowhere", "CPATH=/nowhere", "BCC_LINUX_VERSION_CODE=1", opensnoop, "-d", "0.1"),
		"empty environment":       exec.Command("env", "-i", opensnoop, "-d", "0.1"),
		"closed stdin":            exec.Command("sh", "-c", `exec "$0" -d 0.1 <&-`, opensnoop),
		"few files":               exec.Command("sh", "-c", `ulimit -n 64; exec "$0" -d 0.1`, opensnoop),
	} {
		t.Run(name, func(t *testing.T) {
			r := runToEnd(t, cmd)
			if r.status != 0 || !strings.HasPrefix(r.stdout, header+"\n") || strings.Contains(r.stderr, "WARNING") {
				t.Errorf("status %d, stdout %.80q, stderr %q", r.status, r.stdout, r.stderr)
			}
		})
	}
}

// In a pid namespace, as in a container, -p and PID are its numbers.
func TestPIDNamespace(t *testing.T) {
	cmd := exec.Command("sh", "-c", `mount -t proc proc /proc && exec "$0"`, opensnoop)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	tr := startCommand(t, cmd)
	rows := tr.allRowsOf(1, func() int {
		inside := exec.Command("nsenter", "-t", strconv.Itoa(cmd.Process.Pid), "-p", "-m", "sh", "-c", `echo $$; exec "$0" names /tmp/inside`, opener)
		r := runToEnd(t, inside)
		pid, err := strconv.Atoi(strings.TrimSpace(r.stdout))
		if r.status != 0 || err != nil {
			t.Fatalf("status %d, stdout %q, stderr %q", r.status, r.stdout, r.stderr)
		}
		return pid // the number there
	})
	if len(rows) == 0 { // the shell's, and the opener's
		t.Error("no row has the number that the process has in the namespace")
	}
	for _, line := range tr.rest() {
		if row := parseRow(t, line); row.pid == 1 && row.comm == "opensnoop" { // another one has a number of the host's
			t.Errorf("opensnoop's own open shows: %+v", row)
		}
	}
}

// A run with filters that ends without a row says so, and one with rows does not.
func TestNoOpenMatched(t *testing.T) {
	const said = "opensnoop: no open matched"
	for _, test := range []struct {
		args []string
		want bool
	}{
		{[]string{"-d", "0.1", "-n", "no-such-comm"}, true},
		{[]string{"-d", "0.1", "-o", "json", "--path", "/no/such/file", "-n", openerComm}, true}, // others' paths may not be known,
		{[]string{"--path", "/no/such/file", "--summary", "--", "true"}, true},
		{[]string{"-c", "1", "--path", "/etc/hostname", "--", "cat", "/etc/hostname"}, false},
		{[]string{"--", "true"}, false},
	} {
		r := runToEnd(t, exec.Command(opensnoop, test.args...))
		if got := strings.Contains(r.stderr, said+"\n"); r.status != 0 || got != test.want {
			t.Errorf("%q: status %d, stderr %q", test.args, r.status, r.stderr)
		}
	}
}

// What was only looked for is no open, and where to see it is said.
func TestOnlyLookedFor(t *testing.T) {
	const hint = "opensnoop: no open matched; --lookups also shows what was only checked\n"
	run := []string{"-x", "--path", "/no/such/file", "--", "sh", "-c", "[ -f /no/such/file ]; true"}
	if r := runToEnd(t, exec.Command(opensnoop, run...)); r.status != 0 || !strings.Contains(r.stderr, hint) {
		t.Errorf("status %d, stderr %q", r.status, r.stderr)
	}
	r := runToEnd(t, exec.Command(opensnoop, append([]string{"--lookups"}, run...)...))
	if r.status != 0 || !strings.Contains(r.stdout, "/no/such/file") || strings.Contains(r.stderr, "matched") {
		t.Errorf("with --lookups: status %d, stdout %q, stderr %q", r.status, r.stdout, r.stderr)
	}
}

// Of a recording it is known how many opens there were.
func TestNoRecordedOpenMatched(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rows")
	if r := runToEnd(t, exec.Command(opensnoop, "record", file, "--", "true")); r.status != 0 {
		t.Fatalf("status %d, stderr %q", r.status, r.stderr)
	}
	r := runToEnd(t, exec.Command(opensnoop, "replay", file, "-n", "no-such-comm"))
	if r.status != 0 || !regexp.MustCompile(`^opensnoop: 0 of [1-9]\d* opens matched\n$`).MatchString(r.stderr) {
		t.Errorf("status %d, stderr %q", r.status, r.stderr)
	}
}

// Where there are no kprobes, a line says so before the header, and -v says why.
func TestNoKprobesInALine(t *testing.T) {
	if kprobes() {
		t.Skip("NOT TESTED: this kernel has kprobes")
	}
	r := runToEnd(t, exec.Command("sh", "-c", `exec "$0" -d 0.1 2>&1`, opensnoop))
	line, rest, _ := strings.Cut(r.stdout, "\n")
	if r.status != 0 || len(line) > 80 || !strings.HasPrefix(line, "opensnoop: using tracepoints, ") || !strings.HasPrefix(rest, header+"\n") {
		t.Errorf("status %d, output %.200q", r.status, r.stdout)
	}
	if r = runToEnd(t, exec.Command(opensnoop, "-v", "-d", "0.1")); strings.Count(r.stderr, "this kernel has no kprobes") != 1 {
		t.Errorf("-v does not say why once: %q", r.stderr)
	}
}
