package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A process in a pid namespace below the tracer's is named by its number here, and by the one that
// it has there if it is in a container.
func TestNumbersInContainers(t *testing.T) {
	notInGuests(t)
	mount := cgroups(t)
	number := 31000
	for !isFree(number) {
		number--
	}
	first := prepareInner(t, makeCgroup(t, mount, "lxc.payload.one"+ofSuite), number, "/tmp/inner-one")
	arg := fmt.Sprint(number)

	r := runToEnd(t, exec.Command(opensnoop, "-p", arg))
	want := fmt.Sprintf("there is no process %d; in a pid namespace below %d is %d (%s): use that number\n", number, number, first.inner, openerComm)
	if r.status != 1 || !strings.HasSuffix(r.stderr, want) {
		t.Errorf("-p %d: status %d, %q", number, r.status, r.stderr)
	}
	second := prepareInner(t, makeCgroup(t, mount, "lxc.payload.two"+ofSuite), number, "/tmp/inner-two")
	r = runToEnd(t, exec.Command(opensnoop, "-p", arg, "--container", "three"+ofSuite))
	if r.status != 1 || !strings.Contains(r.stderr, fmt.Sprintf("there is no process %d, here or in the container", number)) {
		t.Errorf("in no container: status %d, %q", r.status, r.stderr)
	}
	for _, flags := range [][]string{{"-p", arg}, {"-p", arg, "--follow"}, {"-p", "here"}} {
		if flags[1] == "here" {
			flags[1] = fmt.Sprint(first.inner)
		}
		tr := startBare(t, append(flags, "--container", "one"+ofSuite, "--columns", "pid,file", "--no-header", "-c", "1")...)
		again := prepareInner(t, filepath.Join(mount, "lxc.payload.one"+ofSuite), 0, "/tmp/inner-other")
		again.run()
		first.begin()
		if line, want := tr.line(), fmt.Sprintf("%-6d /tmp/inner-one", first.inner); line != want {
			t.Errorf("%q: %q, want %q", flags, line, want)
		}
		first.finish()
		tr.wantStatus(0)
		if said := fmt.Sprintf("in the container %d is %d (%s)", number, first.inner, openerComm); strings.Contains(tr.stderr.String(), said) != (flags[1] == arg) {
			t.Errorf("%q: stderr %q", flags, tr.stderr)
		}
		first = prepareInner(t, filepath.Join(mount, "lxc.payload.one"+ofSuite), number, "/tmp/inner-one")
	}
	// Of several that match, all are traced.
	tr := startBare(t, "-p", arg, "--container", "one"+ofSuite+",two"+ofSuite, "--columns", "file")
	first.run()
	second.run()
	if lines := tr.rest(); !slices.Contains(lines, "/tmp/inner-one") || !slices.Contains(lines, "/tmp/inner-two") {
		t.Errorf("of both: %q, stderr %q", lines, tr.stderr)
	}
}

// isFree reports whether no process or thread has a number.
func isFree(number int) bool { return unix.Kill(number, 0) == unix.ESRCH }

func comm(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSuffix(string(text), "\n")
}

// inner is an opener in a pid namespace and a cgroup, and its number here.
type inner struct {
	waiting
	inner int
}

// prepareInner starts one that has a number there, or any if that is 0.
func prepareInner(t *testing.T, cgroup string, number int, name string) *inner {
	t.Helper()
	fd, err := unix.Open(cgroup, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	cmd := exec.Command("sh", "-c", `[ "$1" = 0 ] || echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid; "$0" -wait names "$2"; :`, opener, fmt.Sprint(number), name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID, UseCgroupFD: true, CgroupFD: fd}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() }) // the namespace's first process, and with it all
	in := &inner{waiting: waiting{t, cmd, stdin}}
	eventually(t, "the opener in the pid namespace", func() bool {
		for _, pid := range children(cmd.Process.Pid) {
			in.inner = pid
		}
		return comm(in.inner) == openerComm
	})
	return in
}
