package e2e

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// asUser returns a command that runs opensnoop as an ordinary user.
func asUser(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return exec.Command("setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", publicProgram(t, "opensnoop")}, args...)...)
}

// usersFolder makes a folder for temporary files of that user.
func usersFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A folder of the user's that is named like ours stays, and what is in it.
func TestDoctorRemovesNothing(t *testing.T) {
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	dir := usersFolder(t)
	file := filepath.Join(dir, fmt.Sprintf("opensnoop-%d-x", gone.Process.Pid), "notes")
	cmd := asUser(t, "doctor", "-v")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "HOME="+dir)
	script := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", `mkdir "${0%/*}" && echo mine >"$0"`, file)
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if r := runToEnd(t, cmd); r.status > 1 || !strings.Contains(r.stdout, "libbcc") {
		t.Errorf("status %d, %q, stderr %q", r.status, r.stdout, r.stderr)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine\n" {
		t.Errorf("the user's file holds %q, %v", text, err)
	}
}

// Starts that do not see each other's processes, as in containers that share /run, do not take
// each other for killed.
func TestStartsInOtherPidNamespaces(t *testing.T) {
	notInGuests(t)
	const starts = 12
	var wg sync.WaitGroup
	for i := range starts {
		wg.Go(func() {
			// Each has a number that the other namespaces have not.
			script := `for i in $(seq $1); do (:); done; "$0" --no-cache -d 0.01 & wait $!`
			out, err := exec.Command("unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", script, opensnoop, fmt.Sprint(10*i)).CombinedOutput()
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
}

// Whoever may start it with root's rights by the setuid bit would write into root's files.
func TestSetuidIsRefused(t *testing.T) {
	victim := filepath.Join(t.TempDir(), "roots")
	if err := os.WriteFile(victim, []byte("root's\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{os.ModeSetuid, os.ModeSetgid} {
		cmd := asNobody(t, nil, "-w", victim, "--force", "-d", "0.1")
		if err := os.Chmod(cmd.Path, 0o755|mode); err != nil {
			t.Fatal(err)
		}
		wantError(t, runToEnd(t, cmd), 1, "setuid", "sudo", "setcap cap_bpf,cap_perfmon+ep")
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "root's\n" {
		t.Errorf("root's file holds %q, %v", text, err)
	}
}

// setCapabilities gives a file capabilities, as setcap +ep does.
func setCapabilities(t *testing.T, path string, caps ...uint) {
	t.Helper()
	var permitted uint64
	for _, c := range caps {
		permitted |= 1 << c
	}
	const revision2Effective = 0x02000001 // struct vfs_cap_data of linux/capability.h
	var data []byte
	for _, word := range []uint32{revision2Effective, uint32(permitted), 0, uint32(permitted >> 32), 0} {
		data = binary.LittleEndian.AppendUint32(data, word)
	}
	if err := unix.Setxattr(path, "security.capability", data, 0); errors.Is(err, unix.ENOTSUP) {
		t.Skipf("*** DID NOT RUN: no file capabilities on this file system: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
}

// With file capabilities it traces, for the caller: files and the command are the caller's.
func TestFileCapabilities(t *testing.T) {
	relaxPerf(t)
	dir := usersFolder(t)
	rows := filepath.Join(dir, "rows")
	cmd := asNobody(t, nil, "-w", rows, "--", "sh", "-c", `cat /etc/hostname >&2; id -u; grep CapEff /proc/self/status`)
	setCapabilities(t, cmd.Path, unix.CAP_BPF, unix.CAP_PERFMON)
	r := runToEnd(t, cmd)
	if r.status != 0 || r.stdout != "65534\nCapEff:\t0000000000000000\n" {
		t.Errorf("status %d, stdout %q, stderr %q", r.status, r.stdout, r.stderr)
	}
	text, err := os.ReadFile(rows)
	if err != nil || !strings.Contains(string(text), "/etc/hostname\n") {
		t.Errorf("the rows are %q, %v", text, err)
	}
	cmd = asNobody(t, nil, "-w", "/run/not-the-callers", "-d", "0.1")
	setCapabilities(t, cmd.Path, unix.CAP_BPF, unix.CAP_PERFMON)
	wantError(t, runToEnd(t, cmd), 1, "permission denied")
}

// What -w writes into is opened for it alone, and never makes it wait.
func TestFileThatTakesNothing(t *testing.T) {
	for _, path := range []string{"/dev/ptmx", otherEnd(t)} {
		cmd := exec.Command(opensnoop, "-v", "-w", path, "--force")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		tr := launch(t, cmd)
		tr.ready()
		open(t, "flood", "20000", floodFile)
		tr.stop(interrupt)
		if lost := lost(t, tr.stderr.String()); lost == 0 {
			t.Errorf("%s: none lost; stderr %q", path, tr.stderr)
		}
	}
}

// otherEnd returns the path of a new terminal that nobody reads.
func otherEnd(t *testing.T) string {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	number, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/dev/pts/%d", number)
}

// Rows go on at the end of a file that is truncated, and nothing is written by a name that
// another user may have made.
func TestFileOfW(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows")
	tr := launch(t, exec.Command(opensnoop, "-v", "-w", path, "--path", "/truncated-*"))
	tr.ready()
	for _, name := range []string{"/truncated-1", "/truncated-2"} {
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		open(t, "names", name)
		eventually(t, "the row of "+name, func() bool {
			text, err := os.ReadFile(path)
			return err == nil && strings.Contains(string(text), " "+name+"\n")
		})
	}
	tr.stop(interrupt)
	// Others' rows show, too, where their paths cannot be compared.
	if text, err := os.ReadFile(path); err != nil || strings.Count(string(text), "/truncated-") != 1 || strings.Contains(string(text), "\x00") {
		t.Errorf("it holds %.200q, %v", text, err)
	}

	victim := filepath.Join(t.TempDir(), "victim")
	if err := errors.Join(os.WriteFile(victim, []byte("precious"), 0o600), os.Link(victim, victim+"-link")); err != nil {
		t.Fatal(err)
	}
	wantError(t, runToEnd(t, exec.Command(opensnoop, "--probe", "tracepoint", "-w", victim+"-link", "--force", "-d", "0.1")), 1, "hard links")
	if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
		t.Errorf("the other name's file holds %q, %v", text, err)
	}
}

// Rows do not wait for the names of users, nor does the end.
func TestUserDatabaseThatHangs(t *testing.T) {
	notInGuests(t)
	library := filepath.Join(t.TempDir(), "hangdb.so")
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-O2", "-o", library, "../../testdata/callers/hangdb.c").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	name := fmt.Sprintf("/by-%d", os.Getpid()) // of no other suite
	cmd := exec.Command(opensnoop, "-v", "--columns", "user,pid,file", "--path", name+"-*")
	cmd.Env = append(os.Environ(), "LD_PRELOAD="+library)
	tr := launch(t, cmd)
	tr.ready()
	tr.line() // the header
	// Others' rows show too, where their paths cannot be compared.
	rowOf := func(pid int) string {
		for {
			if fields := strings.Fields(tr.line()); len(fields) == 3 && fields[1] == strconv.Itoa(pid) {
				return strings.Join(fields, " ")
			}
		}
	}
	for _, user := range []string{"12345", "12346", "12345"} {
		other := exec.Command("setpriv", "--reuid="+user, "--clear-groups", opener, "names", name+"-nobody")
		if r := runToEnd(t, other); r.status != 0 {
			t.Fatalf("status %d, %q", r.status, r.stderr)
		}
		if got, want := rowOf(other.Process.Pid), fmt.Sprintf("%s %d %s-nobody", user, other.Process.Pid, name); got != want {
			t.Errorf("the row is %q, want %q", got, want)
		}
	}
	// A name that can be had shows, on a busy machine not at once.
	eventually(t, "root's name", func() bool {
		pid := open(t, "names", name+"-root")
		return rowOf(pid) == fmt.Sprintf("root %d %s-root", pid, name)
	})
	tr.stop(interrupt)
}
