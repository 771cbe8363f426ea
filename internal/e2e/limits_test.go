package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	cold     = "--no-cache --columns path,realpath,exe,fd,err,args"
	warm     = ""
	mayTrace = "either" // the least that is enough is not known exactly
)

// Short of something, it traces, or it says in one line what it is short of and what helps.
func TestLimits(t *testing.T) {
	wantSaid(t, "") // in the cache from then on
	few := []uintptr{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_SYS_PTRACE, unix.CAP_DAC_READ_SEARCH}
	for _, test := range []struct {
		limit string
		flags string
		caps  []uintptr // of a user who is not root
		bound bool      // root is bound by limits, too
		want  string    // "" is that it traces
	}{
		{limit: "ulimit -n 5", want: "(ulimit -n)"}, // below, the dynamic linker says it
		{limit: "ulimit -n 10", flags: cold, want: "(ulimit -n)"},
		{limit: "ulimit -n 40", want: "(ulimit -n)"},
		{limit: "ulimit -v 300000", want: "(ulimit -v)"},
		{limit: "ulimit -v 1500000", flags: cold, want: "(ulimit -v)"},
		{limit: "ulimit -v 2500000", flags: cold, want: mayTrace},
		{limit: "ulimit -d 50000", want: "(ulimit -d)"}, // below 34000, the kernel starts no such program
		{limit: "ulimit -d 200000", flags: cold, want: "(ulimit -d)"},
		{limit: "ulimit -d 400000", flags: cold, want: mayTrace}, // by the number of CPUs
		{limit: "ulimit -s 16", want: "(ulimit -s)"},
		{limit: "ulimit -s 64", flags: cold, want: "(ulimit -s)"},
		{limit: "ulimit -s 1024", flags: cold},
		{limit: "ulimit -f 0"},
		{limit: "ulimit -f 0", flags: cold, want: "(ulimit -f)"},
		{limit: "ulimit -f 0", flags: "-w " + filepath.Join(t.TempDir(), "rows"), want: "(ulimit -f)"},
		{limit: "ulimit -u 0"}, // does not bind root
		{limit: "ulimit -u 0", flags: cold, bound: true, want: "(ulimit -u"},
		{limit: "ulimit -u 0", caps: few, want: "(ulimit -u"},
		{limit: "ulimit -u 4", caps: few, want: "(ulimit -u"},
		{limit: "ulimit -l 64", flags: cold, want: mayTrace},
		{limit: "ulimit -c 0; ulimit -i 0; ulimit -q 0; ulimit -l 0", want: mayTrace},
	} {
		t.Run(test.limit+test.flags, func(t *testing.T) {
			args := []string{"-c", test.limit + ` && exec "$0" -d 0.01 ` + test.flags, opensnoop}
			cmd := exec.Command("bash", args...) // dash has no -u
			if test.caps != nil {
				cmd = asNobody(t, test.caps)
				cmd.Args = append([]string{"bash"}, append(args[:2:2], cmd.Path)...)
				cmd.Path = "/bin/bash"
			}
			if test.bound {
				cmd = exec.Command("setpriv", append(setprivs("sys_resource"), cmd.Args...)...)
			}
			wantLimited(t, cmd, test.want)
		})
	}
}

// Before Linux 5.11, what BPF takes counts as locked memory; who may not raise that limit is told.
func TestLimitOfLockedMemory(t *testing.T) {
	cmd := exec.Command("setpriv", append(setprivs("sys_resource", "ipc_lock"), "sh", "-c", `ulimit -l 64 && exec "$0" -d 0.01`, opensnoop)...)
	wantLimited(t, cmd, mayTrace, "(ulimit -l)", "raise ulimit -l")
}

// setprivs are the flags of setpriv by which root goes without capabilities.
func setprivs(capabilities ...string) []string {
	without := "-" + strings.Join(capabilities, ",-")
	return []string{"--bounding-set=" + without, "--inh-caps=" + without}
}

// A cgroup that may have less memory than it takes.
func TestLimitOfMemory(t *testing.T) {
	for _, megabytes := range []int{8, 24, 32, 48} {
		for _, flags := range []string{cold, warm} {
			t.Run(fmt.Sprintf("%d MB%s", megabytes, flags), func(t *testing.T) {
				group := memoryGroup(t, megabytes)
				cmd := exec.Command("sh", "-c", `echo $$ >"$1"/cgroup.procs && exec "$0" -d 0.01 `+flags, opensnoop, group)
				if r := runLimited(t, cmd); megabytes > 8 || r.status != killed { // it, and not its compiler
					checkLimited(t, r, mayTrace, "memory")
				}
			})
		}
	}
}

// killed is the status of what a signal has ended: in 8 MB there is not always room for a message.
const killed = -1

// wantLimited checks that a command traces, or ends with 1 and one line that has one of the
// remedies; which of the two, if that is told.
func wantLimited(t *testing.T, cmd *exec.Cmd, want string, remedies ...string) {
	t.Helper()
	checkLimited(t, runLimited(t, cmd), want, remedies...)
}

// runLimited runs a command, whose rows nobody reads.
func runLimited(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	cmd.Stdout = null
	return runToEnd(t, cmd)
}

func checkLimited(t *testing.T, r result, want string, remedies ...string) {
	t.Helper()
	if note, rest, ok := strings.Cut(r.stderr, "\n"); ok && strings.Contains(note, "using tracepoints") { // it began
		r.stderr = rest
	}
	if r.status == 0 && (want == "" || want == mayTrace) {
		return
	}
	if want == mayTrace && remedies == nil {
		remedies = []string{"raise "}
	} else if want != mayTrace {
		remedies = []string{want}
	}
	var words []string
	for _, remedy := range remedies {
		if strings.Contains(r.stderr, remedy) {
			words = append(words, remedy)
		}
	}
	if want == "" || words == nil {
		t.Errorf("status %d, stderr %q", r.status, r.stderr)
	}
	wantError(t, r, 1)
}

// memoryGroup makes a cgroup with a limit of memory.
func memoryGroup(t *testing.T, megabytes int) string {
	t.Helper()
	root, file := "/sys/fs/cgroup", "memory.max"
	if _, err := os.Stat(root + "/memory"); err == nil {
		root, file = root+"/memory", "memory.limit_in_bytes"
	} else if _, err := os.Stat(root + "/cgroup.subtree_control"); err == nil {
		write(t, root+"/cgroup.subtree_control", "+memory")
	} else {
		t.Skipf("NOT TESTED: no cgroups with a limit of memory: %v", err)
	}
	group, err := os.MkdirTemp(root, "opensnoop-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		eventually(t, "the end of what is in the cgroup", func() bool { return os.Remove(group) == nil })
	})
	write(t, filepath.Join(group, file), fmt.Sprint(megabytes<<20))
	return group
}
