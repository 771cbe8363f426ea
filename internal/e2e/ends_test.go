package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// wantEnds checks for one message of each end.
func wantEnds(t *testing.T, said string, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if n := strings.Count(said, fmt.Sprintf("opensnoop: process %d has ended\n", pid)); n != 1 {
			t.Errorf("%d messages of the end of %d: %q", n, pid, said)
		}
	}
}

// takeNumber has another process open a file under the number of one that has ended.
func takeNumber(t *testing.T, pid int, file string) {
	t.Helper()
	open(t, "-pid", fmt.Sprint(pid), "names", file)
}

// A number that is traced is that of the process that had it at the start: tracing ends when the last
// of them has, and a later process of the same number does not show.
func TestProcessesThatEnd(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		for name, more := range map[string][]string{"last": nil, "results": {"-x"}, "followed": {"--follow"}} {
			t.Run(name, func(t *testing.T) {
				one := prepare(t, "names", "/before")
				tr := startBare(t, append([]string{probe, "-p", one.arg()}, more...)...)
				one.run()
				takeNumber(t, one.pid(), "/after")
				wantBefore(t, tr.lines)
				tr.wantStatus(0)
				wantEnds(t, tr.stderr.String(), one.pid())
			})
		}
		t.Run("several", func(t *testing.T) {
			one, two := prepare(t, "names", "/before"), prepare(t, "names", "/last")
			tr := start(t, probe, "-p", one.arg()+","+two.arg())
			one.run()
			takeNumber(t, one.pid(), "/after")
			eventually(t, "the end of one", func() bool { return strings.Contains(tr.stderr.String(), " has ended\n") })
			takeNumber(t, one.pid(), "/after")
			two.run()
			wantBefore(t, tr.lines, "/last")
			tr.wantStatus(0)
			wantEnds(t, tr.stderr.String(), one.pid(), two.pid())
		})
	})
}

// wantBefore checks the rows up to the end.
func wantBefore(t *testing.T, lines <-chan string, more ...string) {
	t.Helper()
	var all strings.Builder
	for line := range lines {
		all.WriteString(line + "\n")
	}
	for _, file := range append(more, "/before") {
		if !strings.Contains(all.String(), file+"\n") {
			t.Errorf("%s does not show: %q", file, all.String())
		}
	}
	if strings.Contains(all.String(), "/after\n") {
		t.Errorf("a later process of the number shows: %q", all.String())
	}
}

// Of the followed, the descendants of one that has ended are traced on.
func TestFollowedOutlive(t *testing.T) {
	cmd := exec.Command("sh", "-c", `read go; (read go; : </of-the-child) <&3 & exec 0<&-; : </before`)
	read, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	forChild, toChild, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = append(cmd.ExtraFiles, forChild)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tr := start(t, "-p", fmt.Sprint(cmd.Process.Pid), "--follow")
	fmt.Fprintln(read)
	wait(t, cmd)
	takeNumber(t, cmd.Process.Pid, "/after")
	eventually(t, "its end", func() bool { return strings.Contains(tr.stderr.String(), " has ended\n") })
	fmt.Fprintln(toChild)
	wantBefore(t, tr.lines, "/of-the-child")
	tr.wantStatus(0)
	wantEnds(t, tr.stderr.String(), cmd.Process.Pid)
}

// One that has ended, but whose parent has not asked for its status, has its number yet.
func TestProcessThatHasEnded(t *testing.T) {
	zombie := exec.Command("true")
	if err := zombie.Start(); err != nil {
		t.Fatal(err)
	}
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, zombie.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	for _, more := range [][]string{nil, {"--follow"}} {
		r := runToEnd(t, exec.Command(opensnoop, append([]string{"-p", fmt.Sprint(zombie.Process.Pid)}, more...)...))
		if r.status != 0 || r.stdout != header+"\n" {
			t.Errorf("status %d, stdout %q", r.status, r.stdout)
		}
		wantEnds(t, r.stderr, zombie.Process.Pid)
	}
	wait(t, zombie)
}

// The same in a pid namespace, as of a container.
func TestProcessThatEndsInNamespace(t *testing.T) {
	const script = `set -e
mount -t proc proc /proc
cd "$1"
mkfifo go
"$2" -pid 500 -wait names /before <go & exec 3>go
"$0" -p 500 >rows 2>said & tracer=$!
until grep -q FILE rows; do sleep 0.01; done
echo >&3; wait %1
"$2" -pid 500 names /after
wait $tracer
cat rows said`
	cmd := exec.Command("sh", "-c", script, opensnoop, t.TempDir(), opener)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	r := runToEnd(t, cmd)
	if r.status != 0 || !strings.Contains(r.stdout, " 500    /before\n") || strings.Contains(r.stdout, "/after\n") {
		t.Errorf("status %d, stdout %q, stderr %q", r.status, r.stdout, r.stderr)
	}
	wantEnds(t, r.stdout, 500)
}
