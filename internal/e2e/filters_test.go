package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// someOpens are what an opener does in a folder, for filters to choose from.
func someOpens(t *testing.T, dir string) (args []string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"there", "written", "sub/deep"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, open := range []struct {
		flags int
		name  string
	}{
		{unix.O_RDONLY, "there"},
		{unix.O_RDONLY | unix.O_CLOEXEC, "missing"},
		{unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL, "new"},
		{unix.O_RDWR | unix.O_SYNC, "written"},
		{unix.O_WRONLY | unix.O_APPEND, "sub/deep"},
	} {
		args = append(args, strconv.Itoa(open.flags), filepath.Join(dir, open.name))
	}
	return append([]string{"flags"}, args...)
}

// namesOf returns the last column of rows whose process id is in the first.
func namesOf(lines []string, pid int) []string {
	var names []string
	for _, line := range lines {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == strconv.Itoa(pid) {
			names = append(names, filepath.Base(fields[len(fields)-1]))
		}
	}
	return names
}

func TestFilters(t *testing.T) {
	const enough = 6 // tracers at a time: a guest is small
	dir := t.TempDir()
	args := someOpens(t, dir)
	all := []string{"there", "missing", "new", "written", "deep", "end-of-opener"}
	tests := []struct{ flags, want []string }{
		{[]string{"-x"}, []string{"missing", "end-of-opener"}},
		{[]string{"-f", "O_WRONLY"}, []string{"new", "deep"}},
		{[]string{"-f", "O_RDONLY"}, []string{"there", "missing", "end-of-opener"}},
		{[]string{"-f", "O_RDWR", "-f", "O_CREAT,O_CLOEXEC"}, []string{"missing", "new", "written"}},
		{[]string{"-f", "O_SYNC"}, []string{"written"}},
		{[]string{"-x", "-f", "O_CLOEXEC"}, []string{"missing"}},
		{[]string{"--path", dir + "/**"}, []string{"there", "missing", "new", "written", "deep"}},
		{[]string{"--path", dir + "/*"}, []string{"there", "missing", "new", "written"}},
		{[]string{"--path", "**/deep", "--path", dir + "/new"}, []string{"new", "deep"}},
		{[]string{"--exclude-path", dir + "/**"}, []string{"end-of-opener"}},
		{[]string{"--exclude-path", "**/[mn]*"}, []string{"there", "written", "deep", "end-of-opener"}},
		{[]string{"--path", dir + "/**", "--exclude-path", dir + "/sub/**", "-x"}, []string{"missing"}},
		{[]string{"-n", "open"}, all},
		{[]string{"-n", "closer", "-n", "pen"}, all},
		{[]string{"-n", "closer,pen"}, all},
		{[]string{"-n", "closer"}, nil},
		{[]string{"-u", "root"}, all},
		{[]string{"--success"}, []string{"there", "new", "written", "deep"}},
		{[]string{"--errno", "ENOENT,EACCES"}, []string{"missing", "end-of-opener"}},
		{[]string{"--exclude-name", openerComm}, nil},
		{[]string{"--exe", opener, "--exclude-uid", "nobody", "--exclude-pid", "1", "--euid", "root"}, all},
		{[]string{"--exe", "/bin/**"}, nil},
		{[]string{"-u", "nobody,12345"}, nil},
		{[]string{"-u", "nobody", "-n", openerComm}, nil},
	}
	if kprobes() {
		// Such a guest compiles for ten seconds and more; these do not differ by the probe.
		few := [][]string{{"-x"}, {"-f", "O_WRONLY"}, {"-x", "-f", "O_CLOEXEC"}, {"--path", dir + "/*"}, {"--exclude-path", dir + "/**"}, {"-n", "open"}, {"-u", "root"}}
		tests = slices.DeleteFunc(tests, func(test struct{ flags, want []string }) bool {
			return !slices.ContainsFunc(few, func(flags []string) bool { return slices.Equal(test.flags, flags) })
		})
	}
	for batch := range slices.Chunk(tests, enough) {
		w := prepare(t, args...)
		var tracers []*tracer
		for _, test := range batch {
			// The program that opens is not a filter under test, but keeps out what others open.
			flags := append([]string{"-v", "-p", w.arg(), "--columns", "pid,file"}, test.flags...)
			tracers = append(tracers, launch(t, exec.Command(opensnoop, flags...)))
		}
		for _, tr := range tracers {
			tr.ready()
		}
		os.Remove(filepath.Join(dir, "new"))
		w.run()
		for i, tr := range tracers {
			if got := namesOf(tr.rest(), w.pid()); !slices.Equal(got, batch[i].want) {
				t.Errorf("%q shows %q, want %q", batch[i].flags, got, batch[i].want)
			}
		}
	}
}

func TestUserFilter(t *testing.T) {
	tr := startBare(t, "-u", "nobody", "--columns", "pid,uid,user,file")
	root := open(t, "names", "/tmp/by-root")
	cmd := exec.Command(opener, "names", "/tmp/by-nobody")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if r := runToEnd(t, cmd); r.status != 0 {
		t.Fatalf("opener: %q", r.stderr)
	}
	lines := tr.rest()
	if got := namesOf(lines, root); got != nil {
		t.Errorf("root's opens show: %q", got)
	}
	if got := namesOf(lines, cmd.Process.Pid); !slices.Equal(got, []string{"by-nobody", "end-of-opener"}) {
		t.Errorf("nobody's opens come as %q", got)
	}
	for _, line := range lines[1:] {
		if fields := strings.Fields(line); fields[1] != "65534" || fields[2] != "nobody" {
			t.Errorf("a row of another user: %q", line)
		}
	}
}

func TestThreadFilter(t *testing.T) {
	one := prepare(t, "names", "/tmp/one")
	two := prepare(t, "names", "/tmp/two")
	tr := startBare(t, "-t", one.arg(), "-t", "4194303", "--columns", "pid,tid,file")
	one.run()
	two.run()
	lines := tr.rest()
	if got := namesOf(lines, one.pid()); !slices.Equal(got, []string{"one", "end-of-opener"}) {
		t.Errorf("the thread's opens come as %q", got)
	}
	if len(lines) != 3 {
		t.Errorf("more than the thread's opens show: %q", lines)
	}
	if !strings.Contains(tr.stderr.String(), "no process or thread 4194303") {
		t.Errorf("nothing is said about the thread that is not there: %q", tr.stderr)
	}
}

// pin makes a BPF map with one key and pins it, as who runs containers does.
func pin(t *testing.T, name string, key uint64, valueSize uint32) (path string, m *ebpf.Map) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "bpffs-")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
		os.Remove(dir)
	})
	m, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 8, ValueSize: valueSize, MaxEntries: 1024})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	path = filepath.Join(dir, name)
	if err := m.Pin(path); err != nil {
		t.Fatal(err)
	}
	if err := m.Put(key, make([]byte, valueSize)); err != nil {
		t.Fatal(err)
	}
	return path, m
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func TestMountNamespaceFilter(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		cmd := exec.Command(opener, "-wait", "names", "/tmp/inside")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		path, _ := pin(t, "namespaces", inode(t, fmt.Sprintf("/proc/%d/ns/mnt", cmd.Process.Pid)), 4)
		tr := startBare(t, probe, "--mntnsmap", path, "--columns", "pid,file")
		outside := open(t, "names", "/tmp/outside")
		stdin.Write([]byte("\n"))
		if status := wait(t, cmd); status != 0 {
			t.Fatalf("opener ended with status %d", status)
		}
		lines := tr.rest()
		if got := namesOf(lines, outside); got != nil {
			t.Errorf("opens from outside show: %q", got)
		}
		if got := namesOf(lines, cmd.Process.Pid); !slices.Equal(got, []string{"inside", "end-of-opener"}) {
			t.Errorf("the opens from inside come as %q", got)
		}
	})
}

func TestCgroupFilter(t *testing.T) {
	root := t.TempDir()
	if err := unix.Mount("cgroup2", root, "cgroup2", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(root, unix.MNT_DETACH)
	group := filepath.Join(root, fmt.Sprintf("e2e-%d", os.Getpid()))
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(group)
	dir, err := os.Open(group)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()

	path, _ := pin(t, "cgroups", inode(t, group), 8)
	tr := startBare(t, "--cgroupmap", path, "--columns", "pid,file")
	outside := open(t, "names", "/tmp/outside")
	cmd := exec.Command(opener, "names", "/tmp/inside")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	if r := runToEnd(t, cmd); r.status != 0 {
		t.Fatalf("opener: %q", r.stderr)
	}
	lines := tr.rest()
	if got := namesOf(lines, outside); got != nil {
		t.Errorf("opens from outside show: %q", got)
	}
	if got := namesOf(lines, cmd.Process.Pid); !slices.Equal(got, []string{"inside", "end-of-opener"}) {
		t.Errorf("the opens from inside come as %q", got)
	}
}

func TestPinnedMapThatIsNone(t *testing.T) {
	path, _ := pin(t, "odd", 1, 16)
	for _, flag := range []string{"--cgroupmap", "--mntnsmap"} {
		wantError(t, runToEnd(t, exec.Command(opensnoop, flag, path, "-d", "0.1")), 1, path, "expected a Hash, 8 and ")
		wantError(t, runToEnd(t, exec.Command(opensnoop, flag, path+"-not-there", "-d", "0.1")), 1, path+"-not-there")
		wantError(t, runToEnd(t, exec.Command(opensnoop, flag, "/etc/hostname", "-d", "0.1")), 1, "/etc/hostname")
		if _, err := os.Stat(path + "-not-there"); err == nil {
			t.Errorf("%s pinned a map of its own", flag)
		}
	}
}

// Of calls that block and whose result is asked for, a result is right or unknown. 5000 are more than
// have places of their own in the kernel: those of others are then elsewhere.
func TestBlockedCallsWithResults(t *testing.T) {
	const opens, floods = 500, 8
	forEachProbe(t, func(t *testing.T, probe string) {
		for _, blocked := range []int{300, 5000} {
			fifo := makeFIFO(t, longFolder)
			tr := startBare(t, probe, "-n", openerComm, "--columns", "pid,fd,err,file")
			herd := prepare(t, "blocked", strconv.Itoa(blocked), fifo)
			herd.begin()
			eventually(t, "the blocked calls", func() bool { return inCall(t, herd.pid()) == blocked })

			pids := make(map[string]bool)
			for range floods {
				pids[strconv.Itoa(open(t, "flood", strconv.Itoa(opens), floodFile))] = true
			}
			rows, unknown := 0, 0
			for _, line := range tr.rest() {
				fields := strings.Fields(line)
				switch {
				case strings.Contains(line, `\(`):
					t.Logf("a row with a mark: %q", line)
				case len(fields) == 4 && fields[3] == fifo:
					unknown++
					if fields[1] != "?" || fields[2] != "?" {
						t.Errorf("a blocked call has a result: %q", line)
					}
				case pids[fields[0]] && fields[3] == floodFile:
					rows++
					if fields[1] != "3" || fields[2] != "0" {
						t.Errorf("not the result of that call: %q", line)
					}
				}
			}
			told := lostAtMost(t, tr.stderr.String())
			if rows+told < opens*floods || unknown+told < blocked {
				t.Errorf("%d rows of %d opens, and %d of %d blocked ones; stderr: %s", rows, opens*floods, unknown, blocked, tr.stderr)
			}
		}
	})
}

// inCall counts the children of a process that are blocked in an openat.
func inCall(t *testing.T, parent int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for pid := range strings.FieldsSeq(string(text)) {
		n += inCallOf(t, pid)
	}
	return n
}

// inCallOf counts the threads of a process that are blocked in an openat.
func inCallOf[PID int | string](t *testing.T, pid PID) int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%v/task/*/syscall", pid))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, task := range tasks {
		call, err := os.ReadFile(task)
		if err == nil && strings.HasPrefix(string(call), fmt.Sprint(unix.SYS_OPENAT, " ")) {
			n++
		}
	}
	return n
}
