package e2e

import (
	"encoding/json"
	"fmt"
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
	t.Cleanup(func() {
		eventually(t, "the end of "+path, func() bool {
			inner, _ := os.ReadDir(path)
			for _, entry := range inner {
				os.Remove(filepath.Join(path, entry.Name())) // those of files fail
			}
			err := os.Remove(path)
			return err == nil || os.IsNotExist(err)
		})
	})
	return path
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

// Opens are of the container that their cgroup is of, whether it was made before or after the
// start, and of no other.
func TestContainersByCgroup(t *testing.T) {
	mount := cgroups(t)
	forEachProbe(t, func(t *testing.T, flag string) {
		before := makeCgroup(t, mount, "lxc.payload.before")
		for _, test := range []struct {
			args []string
			want string
		}{
			{nil, "before /box-0, after /box-1, inner /box-2, - /box-3"},
			{[]string{"--containers"}, "before /box-0, after /box-1, inner /box-2"},
			{[]string{"--container", "after,no-such-one"}, "after /box-1"},
			{[]string{"--container", "before"}, "before /box-0"},
		} {
			tr := startBare(t, append([]string{flag, "--columns", "container,file"}, test.args...)...)
			after := makeCgroup(t, mount, "lxc.payload.after")
			inner := makeCgroup(t, mount, "machine.slice/machine-inner.scope/payload")
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
			if got := strings.Join(got, ", "); got != test.want {
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

// Real containers, one after the other, each of which lives no longer than a moment: all are named
// as their runtimes call them, and nothing else is of any.
func TestRealContainers(t *testing.T) {
	if kprobes() {
		t.Skip("NOT TESTED: guests have no container runtimes")
	}
	mount, root := cgroups(t), rootFolder(t)
	box := makeCgroup(t, mount, "machine.slice/machine-opensnoop\\x2dbox.scope")
	podman := func(name, file string) *exec.Cmd {
		return exec.Command("podman", "--runtime", "runc", "run", "--rm", "--name", name, "--ulimit", "nofile=1000:1000", "--ulimit", "nproc=500:500",
			"--network", "none", "--rootfs", root, "/bin/sh", "-c", ": <"+file)
	}
	suffix := strconv.Itoa(os.Getpid())
	one, two, plain := "opensnoop-one-"+suffix, "opensnoop-two-"+suffix, "opensnoop-plain-"+suffix
	want := map[string]string{"/box-one": one, "/box-two": two, "/box-plain": plain, "/box-nspawn": "opensnoop-box", "/box-host": ""}
	if version, _ := exec.Command("runc", "--version").Output(); strings.Contains(string(version), "1.0.0~rc") || strings.Contains(string(version), "1.0.0-rc") {
		t.Log("NOT TESTED: runc of this version puts nothing into cgroups of version 2 beside those of version 1")
		delete(want, "/box-plain")
	}
	tr := startBare(t, "-o", "json", "--columns", "container,pid,file")
	for _, cmd := range []*exec.Cmd{
		podman(one, "/box-one"),
		podman(two, "/box-two"),
		exec.Command("runc", "run", "-b", runcConfig(t, root, "/box-plain"), plain),
		exec.Command("sh", "-c", fmt.Sprintf("echo $$ >'%s/cgroup.procs' && exec systemd-nspawn -q --register=no --keep-unit -D '%s' /bin/sh -c ': </box-nspawn'", box, root)),
	} {
		host := open(t, "names", "/box-host")
		if host == 0 {
			t.Fatal("no process")
		}
		// Its status is the shell's, which finds no such file.
		r := runToEnd(t, cmd)
		if strings.Contains(r.stderr, "host uses legacy cgroup v1 hierarchy, refusing") {
			t.Log("NOT TESTED: systemd-nspawn of this version needs a machine without cgroups of version 1")
			delete(want, "/box-nspawn")
			continue
		}
		if strings.Contains(r.stderr, "/run/systemd/journal") && cmd.Args[0] == "podman" {
			t.Log("NOT TESTED: podman of this version needs systemd's journal")
			delete(want, "/box-one")
			delete(want, "/box-two")
			continue
		}
		if !strings.Contains(r.stdout+r.stderr, "/box-") {
			t.Fatalf("%q: status %d, %q, %q", cmd.Args, r.status, r.stdout, r.stderr)
		}
	}
	runtimes := map[string]string{one: "podman", two: "podman", plain: "runc", "opensnoop-box": "systemd-nspawn"}
	seen := make(map[string]int)
	for _, line := range tr.rest() {
		var row struct {
			File      string
			Container *struct{ Name, Runtime, ID string }
			Problem   string `json:"container_problem"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		name, ok := want[row.File]
		switch {
		case row.Problem != "":
			t.Errorf("it is not known which container a row is of: %s", line)
		case row.Container != nil && runtimes[row.Container.Name] != row.Container.Runtime:
			t.Errorf("a container that nobody started: %s", line)
		case ok && (name == "") != (row.Container == nil), ok && name != "" && row.Container.Name != name:
			t.Errorf("%s is in %q: %s", row.File, name, line)
		case ok:
			seen[row.File]++
		}
	}
	for file := range want {
		if seen[file] == 0 {
			t.Errorf("%s is in no row", file)
		}
	}
}
