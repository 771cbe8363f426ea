package e2e

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// cgroups returns where the hierarchy of cgroups of version 2 is mounted, and mounts it if it is
// not.
func cgroups(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if m := regexp.MustCompile(`(?m)^\S+ \S+ \S+ / (\S+) .* - cgroup2 `).FindSubmatch(text); m != nil {
		return string(m[1])
	}
	folder := t.TempDir()
	if err := unix.Mount("none", folder, "cgroup2", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(folder, unix.MNT_DETACH) })
	return folder
}

// makeCgroup makes one, and returns its path.
func makeCgroup(t *testing.T, mount, name string) string {
	t.Helper()
	path := filepath.Join(mount, name)
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	removeAtEnd(t, path)
	return path
}

// removeAtEnd removes a cgroup, and those in it.
func removeAtEnd(t *testing.T, path string) {
	t.Cleanup(func() {
		eventually(t, "the end of "+path, func() bool {
			var folders []string
			filepath.WalkDir(path, func(folder string, entry fs.DirEntry, err error) error {
				if err == nil && entry.IsDir() {
					folders = append(folders, folder)
				}
				return nil
			})
			for _, folder := range slices.Backward(folders) {
				os.Remove(folder)
			}
			_, err := os.Stat(path)
			return os.IsNotExist(err)
		})
	})
}

// openIn opens a file from within a cgroup.
func openIn(t *testing.T, cgroup, name string) {
	t.Helper()
	fd, err := unix.Open(cgroup, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	cmd := exec.Command(opener, "names", name)
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: fd}
	if r := runToEnd(t, cmd); r.status != 0 {
		t.Fatalf("%q", r.stderr)
	}
}

// ofSuite is in the names of this suite's containers, by which they are told from those of others.
var ofSuite = fmt.Sprint("-", os.Getpid())

// Opens are of the container that their cgroup is of, whether it was made before or after the
// start, and of no other.
func TestContainersByCgroup(t *testing.T) {
	mount := cgroups(t)
	forEachProbe(t, func(t *testing.T, flag string) {
		before := makeCgroup(t, mount, "lxc.payload.before"+ofSuite)
		for _, test := range []struct {
			args []string
			want string
		}{
			{nil, "before /box-0, after /box-1, inner /box-2, - /box-3"},
			{[]string{"--containers"}, "before /box-0, after /box-1, inner /box-2"},
			{[]string{"--container", "after" + ofSuite + ",no-such-one"}, "after /box-1"},
			{[]string{"--container", "before" + ofSuite}, "before /box-0"},
		} {
			tr := startBare(t, append([]string{flag, "-n", openerComm, "--columns", "container,file"}, test.args...)...)
			after := makeCgroup(t, mount, "lxc.payload.after"+ofSuite)
			inner := makeCgroup(t, mount, `machine.slice/machine-inner\x2d`+ofSuite[1:]+".scope/payload")
			openIn(t, before, "/box-0")
			openIn(t, after, "/box-1")
			openIn(t, inner, "/box-2")
			open(t, "names", "/box-3")
			var got []string
			for _, line := range tr.rest() {
				if fields := strings.Fields(line); len(fields) == 2 && strings.HasPrefix(fields[1], "/box-") {
					got = append(got, fields[0]+" "+fields[1])
				}
			}
			if got := strings.ReplaceAll(strings.Join(got, ", "), ofSuite, ""); got != test.want {
				t.Errorf("%q: %s, want %s; stderr %q", test.args, got, test.want, tr.stderr)
			}
			for _, path := range []string{after, inner, filepath.Dir(inner)} {
				os.Remove(path)
			}
		}
	})
}

// rootFolder makes the root of a container, with a shell in it.
func rootFolder(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, folder := range []string{"bin", "usr", "etc", "proc", "sys", "dev", "tmp", "run"} {
		if err := os.Mkdir(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "bin/sh"), busybox, 0o755); err != nil {
		t.Fatal(err)
	}
	return root
}

// runcConfig makes a bundle for runc that opens a file.
func runcConfig(t *testing.T, root, file string) string {
	t.Helper()
	bundle := t.TempDir()
	if out, err := exec.Command("runc", "spec", "-b", bundle).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	path := filepath.Join(bundle, "config.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	process := config["process"].(map[string]any)
	process["terminal"], process["args"] = false, []string{"/bin/sh", "-c", ": <" + file}
	delete(process, "rlimits") // more than a container around the suite allows
	config["root"].(map[string]any)["path"] = root
	if text, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return bundle
}

// box is a container of a test's, or what opens a file outside of all.
type box struct {
	file          string // what it alone opens
	name, runtime string // as rows have them
	args          []string
	untested      string // why it does not run here
	seen          int
}

// refusals are what runtimes say that cannot run here, and why that is.
var refusals = map[string]string{
	"host uses legacy cgroup v1 hierarchy, refusing": "systemd-nspawn of this version needs a machine without cgroups of version 1",
	"/run/systemd/journal":                           "podman of this version needs systemd's journal",
}

func makeBoxes(t *testing.T) []*box {
	t.Helper()
	mount, root := cgroups(t), rootFolder(t)
	scope := makeCgroup(t, mount, `machine.slice/machine-opensnoop\x2dbox\x2d`+ofSuite[1:]+".scope")
	podman := func(name, file string) *box {
		return &box{file: file, name: name, runtime: "podman", args: []string{"podman", "--runtime", "runc", "run", "--rm", "--name", name,
			"--ulimit", "nofile=1000:1000", "--ulimit", "nproc=500:500", "--network", "none", "--rootfs", root, "/bin/sh", "-c", ": <" + file}}
	}
	plain := "opensnoop-plain" + ofSuite
	boxes := []*box{
		{file: "/box-host", args: []string{opener, "names", "/box-host"}},
		podman("opensnoop-one"+ofSuite, "/box-one"),
		podman("opensnoop-two"+ofSuite, "/box-two"),
		{file: "/box-plain", name: plain, runtime: "runc", args: []string{"runc", "run", "-b", runcConfig(t, root, "/box-plain"), plain}},
		{file: "/box-nspawn", name: "opensnoop-box" + ofSuite, runtime: "systemd-nspawn", args: []string{"sh", "-c",
			`echo $$ >"$0/cgroup.procs" && exec systemd-nspawn -q --register=no --keep-unit -D "$1" /bin/sh -c ': </box-nspawn'`, scope, root}},
	}
	if version, _ := exec.Command("runc", "--version").Output(); strings.Contains(string(version), "1.0.0~rc") || strings.Contains(string(version), "1.0.0-rc") {
		boxes[3].untested = "runc of this version puts nothing into cgroups of version 2 beside those of version 1"
	}
	return boxes
}

// run runs it, if that works here. Its status is the shell's, which finds no such file.
func (b *box) run(t *testing.T) {
	t.Helper()
	r := runToEnd(t, exec.Command(b.args[0], b.args[1:]...))
	for text, why := range refusals {
		if strings.Contains(r.stderr, text) {
			b.untested = why
		}
	}
	if b.name != "" && b.untested == "" && !strings.Contains(r.stdout+r.stderr, b.file) {
		t.Fatalf("%q: status %d, %q, %q", b.args, r.status, r.stdout, r.stderr)
	}
}

// judge looks at a row, and reports whether it is of a container that is not one of these.
func judge(t *testing.T, line string, boxes []*box) (foreign bool) {
	t.Helper()
	var row struct {
		File      string
		Container *struct{ Name, Runtime, ID string }
		Problem   string `json:"container_problem"`
	}
	if err := json.Unmarshal([]byte(line), &row); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	name, runtime := "", ""
	if row.Container != nil {
		name, runtime = row.Container.Name, row.Container.Runtime
	}
	foreign = row.Problem != "" || name != ""
	for _, b := range boxes {
		if b.name == name {
			foreign = row.Problem != ""
			if b.runtime != runtime {
				t.Errorf("%s is a container of %s: %s", name, b.runtime, line)
			}
		}
		if b.file == row.File {
			if b.seen++; b.name != name || row.Problem != "" {
				t.Errorf("%s is in %q: %s", b.file, b.name, line)
			}
		}
	}
	if foreign && row.Problem == "" && strings.HasSuffix(name, ofSuite) {
		t.Errorf("a container that nobody started: %s", line)
	}
	return foreign
}

// Real containers, one after the other, each of which lives no longer than a moment: all are named
// as their runtimes call them, and nothing else is of any.
func TestRealContainers(t *testing.T) {
	if kprobes() {
		t.Skip("NOT TESTED: guests have no container runtimes")
	}
	boxes := makeBoxes(t)
	for attempts := 10; attempts > 0; attempts-- { // rows may be lost
		tr := startBare(t, "-o", "json", "--columns", "container,pid,file")
		for _, b := range boxes {
			if b.untested == "" {
				b.run(t)
			}
		}
		foreign := 0
		for _, line := range tr.rest() {
			if judge(t, line, boxes) {
				if foreign++; foreign == 1 {
					t.Logf("of a container that this test has not started, or of one that is not known: %s", line)
				}
			}
		}
		if lostAtMost(t, tr.stderr.String()) == 0 || !slices.ContainsFunc(boxes, func(b *box) bool { return b.seen == 0 && b.untested == "" }) {
			break
		}
	}
	for _, b := range boxes {
		if b.untested != "" {
			t.Logf("NOT TESTED: %s", b.untested)
		} else if b.seen == 0 {
			t.Errorf("%s is in no row", b.file)
		}
	}
}

// In a container, what helps is said that helps there: neither sudo nor setcap gives what is not in
// the bounding set. Users' names are said to be the container's where they are.
func TestHonestInAContainer(t *testing.T) {
	// CAP_BPF and CAP_PERFMON, which util-linux before 2.37 has no names for.
	refused := exec.Command("setpriv", "--bounding-set", "-cap_39,-cap_38,-sys_admin", opensnoop, "-d", "0.1")
	wantError(t, runToEnd(t, refused), 1, "--privileged", "--cap-add BPF,PERFMON", "seccomp=unconfined")
	// Process 1 cannot be seen into everywhere.
	const script = `mount -t tmpfs none "$1" && echo "someone:x:4711:4711::/:/bin/sh" >"$1/passwd" && mount --bind "$1/passwd" /etc/passwd && shift && exec "$@"`
	_, hidden := os.Stat("/proc/1/root/etc/passwd")
	for args, shows := range map[string]bool{"-o json": true, "--columns user,path": true, "--columns pid,path": false} {
		cmd := exec.Command("unshare", append([]string{"-m", "sh", "-c", script, "sh", t.TempDir(), opensnoop, "-d", "0.1", "-p", "1"}, strings.Fields(args)...)...)
		r := runToEnd(t, cmd)
		if told := strings.Contains(r.stderr, "users' names are those of this container"); r.status != 0 || told != (shows && hidden == nil) {
			t.Errorf("%s: status %d, stderr %q", args, r.status, r.stderr)
		}
		cmd = exec.Command(opensnoop, append(strings.Fields(args), "-d", "0.1", "-p", "1")...)
		cmd.Env = append(os.Environ(), "container=podman")
		if r := runToEnd(t, cmd); r.status != 0 || strings.Contains(r.stderr, "users' names") != (shows && hidden != nil) {
			t.Errorf("%s in a container: status %d, stderr %q", args, r.status, r.stderr)
		}
	}
	r := runToEnd(t, exec.Command("unshare", "-p", "-f", "--mount-proc", opensnoop, "-o", "json", "-d", "0.1", "-p", "1"))
	if r.status != 0 || !strings.Contains(r.stderr, "ppid is left out") {
		t.Errorf("in a pid namespace: status %d, stderr %q", r.status, r.stderr)
	}
}
