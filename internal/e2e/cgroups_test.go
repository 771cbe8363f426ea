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

// userOfBoxes is a user with containers; it need not be in the user database.
const userOfBoxes = 64321

// makeAs makes a cgroup as a user.
func makeAs(t *testing.T, uid uint32, path string) string {
	t.Helper()
	cmd := exec.Command("mkdir", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	removeAtEnd(t, path)
	return path
}

// putState writes a file of a runtime's, in a folder below /run or /var that no runtime has here,
// and removes what it makes at the end.
func putState(t *testing.T, path, text string) {
	t.Helper()
	missing := filepath.Dir(path)
	for {
		above := filepath.Dir(missing)
		if _, err := os.Stat(above); err == nil {
			break
		}
		missing = above
	}
	if _, err := os.Stat(missing); os.IsNotExist(err) {
		t.Cleanup(func() { os.RemoveAll(missing) })
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(path) })
}

// putContainerd writes what containerd has of a container of Kubernetes, below a root folder.
func putContainerd(t *testing.T, root, id, name string) {
	putState(t, filepath.Join(root, "run/k0s/containerd/io.containerd.runtime.v2.task/k8s.io", id, "config.json"),
		`{"annotations":{"io.kubernetes.cri.container-name":"`+name+`","io.kubernetes.cri.sandbox-name":"pod-of-`+name+`"}}`)
}

// containerRow is what JSON has of a row's container.
type containerRow struct {
	File      string
	Container *struct {
		Name, ID, Pod string
		UID           uint32
		Inner         *struct{ Name, ID, Pod string }
	}
	Problem string `json:"container_problem"`
}

// containerRows are the rows of some file.
func containerRows(t *testing.T, tr *tracer, file string) (rows []containerRow) {
	t.Helper()
	for _, line := range tr.rest() {
		var row containerRow
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if row.File == file {
			rows = append(rows, row)
		}
	}
	return rows
}

// boxes are the containers and files of a table with these columns.
func boxes(tr *tracer) string {
	var rows []string
	for _, line := range tr.rest() {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] != "CONTAINER" && fields[0] != "UNIT" && fields[1] != end {
			rows = append(rows, strings.Join(fields, " "))
		}
	}
	return strings.Join(rows, ", ")
}

// Containers that nobody has a name of do not take the time from those that come later, whose
// names come a moment after their first opens.
func TestNamesStayKnown(t *testing.T) {
	mount := cgroups(t)
	tr := startBare(t, "-o", "json", "--columns", "container,file")
	for n := range 40 {
		openIn(t, makeCgroup(t, mount, fmt.Sprintf("libpod-%064x", n)), "/nameless")
	}
	for n := range 8 {
		id := fmt.Sprintf("%064x", 1000+n)
		openIn(t, makeCgroup(t, mount, "kubepods/pod1/"+id), "/late")
		putContainerd(t, "/", id, "late")
	}
	named := 0
	rows := containerRows(t, tr, "/late")
	for _, row := range rows {
		if row.Container != nil && row.Container.Name == "late" {
			named++
		}
	}
	t.Logf("%d of %d rows have the name", named, len(rows))
	if len(rows) != 8 || named == 0 {
		t.Errorf("%+v", rows)
	}
}

// Two containers of two users with one name differ, and so do their filters.
func TestContainersOfUsers(t *testing.T) {
	mount := cgroups(t)
	id := strings.Repeat("5a", 32)
	list := fmt.Sprintf("/run/user/%d/containers/overlay-containers/containers.json", userOfBoxes)
	putState(t, list, `[{"id":"`+id+`","names":["web"]}]`)
	for _, path := range []string{filepath.Dir(list), list} {
		if err := os.Chown(path, userOfBoxes, userOfBoxes); err != nil {
			t.Fatal(err)
		}
	}
	users := makeCgroup(t, mount, "opensnoop-user")
	if err := os.Chown(users, userOfBoxes, userOfBoxes); err != nil {
		t.Fatal(err)
	}
	ofRoot := makeCgroup(t, mount, "machine.slice/machine-web.scope")
	before := makeAs(t, userOfBoxes, filepath.Join(users, "libpod-"+id+".scope"))
	theirs := "web@" + strconv.Itoa(userOfBoxes)
	for _, test := range []struct{ filter, want string }{
		{"--containers", "web /of-root, " + theirs + " /before, " + theirs + " /after"},
		{"--container=web", "web /of-root, " + theirs + " /before, " + theirs + " /after"},
		{"--container=" + theirs, theirs + " /before, " + theirs + " /after"},
	} {
		tr := startBare(t, test.filter, "--columns", "container,file")
		openIn(t, ofRoot, "/of-root")
		openIn(t, before, "/before")
		after := makeAs(t, userOfBoxes, filepath.Join(users, "libpod-payload-"+id))
		openIn(t, after, "/after")
		if got := boxes(tr); got != test.want {
			t.Errorf("%s: %s, want %s", test.filter, got, test.want)
		}
		os.Remove(after)
	}
}

// What a user's files hold takes no memory, and no time from others.
func TestHostileState(t *testing.T) {
	mount := cgroups(t)
	list := fmt.Sprintf("/run/user/%d/containers/overlay-containers/containers.json", userOfBoxes)
	id := strings.Repeat("5b", 32)
	putState(t, list, `[{"id":"`+id+`","names":["`+strings.Repeat("x", 30<<20)+`"]},`+strings.Repeat("{},", 3<<20)+`{}]`)
	for _, path := range []string{filepath.Dir(list), list} {
		if err := os.Chown(path, userOfBoxes, userOfBoxes); err != nil {
			t.Fatal(err)
		}
	}
	users := makeCgroup(t, mount, "opensnoop-user")
	if err := os.Chown(users, userOfBoxes, userOfBoxes); err != nil {
		t.Fatal(err)
	}
	tr := startBare(t, "-o", "json", "--columns", "container,file")
	for n := range 30 {
		openIn(t, makeAs(t, userOfBoxes, filepath.Join(users, fmt.Sprintf("libpod-%064x", n))), "/bomb")
	}
	other := strings.Repeat("5c", 32)
	putContainerd(t, "/", other, "other")
	openIn(t, makeCgroup(t, mount, "kubepods/pod1/"+other), "/other")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tr.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	peak, _ := strconv.Atoi(string(regexp.MustCompile(`VmHWM:\s*(\d+)`).FindSubmatch(status)[1]))
	t.Logf("the tracer took %d KB at most", peak)
	if peak > 64<<10 {
		t.Errorf("the tracer took %d KB", peak)
	}
	if rows := containerRows(t, tr, "/other"); len(rows) != 1 || rows[0].Container == nil || rows[0].Container.Name != "other" {
		t.Errorf("%+v", rows)
	}
}

// A process in a cgroup namespace of its own is a container's, also if nobody knows of which.
func TestPrivateCgroupNamespace(t *testing.T) {
	mount := cgroups(t)
	private := makeCgroup(t, mount, "opensnoop-private")
	known := makeCgroup(t, mount, "lxc.payload.known")
	unshared := func(cgroup, file string) {
		cmd := exec.Command("sh", "-c", `echo $$ >"$1/cgroup.procs" && exec unshare -C "$2" names "$3"`, "sh", cgroup, opener, file)
		if r := runToEnd(t, cmd); r.status != 0 {
			t.Fatalf("%q", r.stderr)
		}
	}
	for filter, want := range map[string]string{
		"":                  "? /private, known /known, - /plain, - /host",
		"--containers":      "? /private, known /known",
		"--container=known": "? /private, known /known",
		"--container=other": "? /private",
	} {
		tr := startBare(t, append(strings.Fields(filter), "--columns", "container,file")...)
		for range 2 { // the second time its cgroup is known
			unshared(private, "/private")
		}
		unshared(known, "/known")
		openIn(t, private, "/plain")
		open(t, "names", "/host")
		var got []string
		for _, line := range tr.rest() {
			if row := strings.Join(strings.Fields(line), " "); strings.Contains(want, row) && !strings.Contains(strings.Join(got, ", "), row) {
				got = append(got, row)
			} else if regexp.MustCompile(` /(private|known|plain|host)$`).MatchString(row) && !strings.Contains(want, row) {
				t.Errorf("%q: %s", filter, row)
			}
		}
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("%q: %s, want %s", filter, got, want)
		}
	}
}

// deepCgroup makes cgroups in each other, and returns the innermost, opened.
func deepCgroup(t *testing.T, top string, levels int) int {
	t.Helper()
	name := strings.Repeat("d", 250)
	at, err := unix.Open(top, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range levels {
		if err := unix.Mkdirat(at, name, 0o755); err != nil {
			t.Fatal(err)
		}
		below, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		above := at
		t.Cleanup(func() {
			eventually(t, "a cgroup is empty", func() bool { return unix.Unlinkat(above, name, unix.AT_REMOVEDIR) == nil })
			unix.Close(above)
		})
		at = below
	}
	t.Cleanup(func() { unix.Close(at) })
	return at
}

// A cgroup may be deeper than the kernel tells its path, and deeper than any path can be.
func TestDeepCgroups(t *testing.T) {
	mount := cgroups(t)
	for _, levels := range []int{5, 20} {
		t.Run(strconv.Itoa(levels), func(t *testing.T) {
			before := deepCgroup(t, makeCgroup(t, mount, "lxc.payload.deep"), levels)
			tr := startBare(t, "-o", "json", "--columns", "container,file")
			for _, fd := range []int{before, deepCgroup(t, makeCgroup(t, mount, "lxc.payload.new"), levels)} {
				cmd := exec.Command(opener, "names", "/deep")
				cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: fd}
				if r := runToEnd(t, cmd); r.status != 0 {
					t.Fatalf("%q", r.stderr)
				}
			}
			rows := containerRows(t, tr, "/deep")
			if len(rows) != 2 || rows[0].Container == nil || rows[0].Container.Name != "deep" || rows[1].Container == nil || rows[1].Container.Name != "new" {
				t.Errorf("%+v", rows)
			}
		})
	}
}

// A container within another shows, with the name that it has inside.
func TestNestedContainers(t *testing.T) {
	mount, root := cgroups(t), rootFolder(t)
	outer, inner, new := strings.Repeat("7a", 32), strings.Repeat("7b", 32), strings.Repeat("7c", 32)
	putContainerd(t, "/", outer, "node")
	putContainerd(t, root, inner, "coredns")
	putContainerd(t, root, new, "new")
	node := makeCgroup(t, mount, "kubepods/pod1/"+outer)
	makeCgroup(t, mount, "kubepods/pod1/"+outer+"/init.scope")
	within := makeCgroup(t, mount, "kubepods/pod1/"+outer+"/kubelet/kubepods/pod1/"+inner)
	init := exec.Command("sh", "-c", `echo $$ >"$1/init.scope/cgroup.procs" && exec chroot "$2" /bin/sh -c 'echo ready; read end'`, "sh", node, root)
	stdin, err := init.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := init.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := init.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); init.Wait() })
	if _, err := stdout.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	tr := startBare(t, "-o", "json", "--columns", "container,file", "--container", "node")
	openIn(t, within, "/nested")
	openIn(t, makeCgroup(t, mount, "kubepods/pod1/"+outer+"/kubelet/kubepods/pod1/"+new), "/nested")
	openIn(t, node, "/nested")
	rows := containerRows(t, tr, "/nested")
	if len(rows) != 3 {
		t.Fatalf("%+v", rows)
	}
	for i, want := range []string{"coredns", "new", ""} {
		c := rows[i].Container
		if want == "new" && c != nil && c.Inner != nil && c.Inner.Name == "" {
			t.Log("the name of the new one came too late")
			continue
		}
		if c == nil || c.Name != "node" || c.ID != outer || (c.Inner != nil) != (want != "") || c.Inner != nil && c.Inner.Name != want {
			t.Errorf("%+v, want %q in node", c, want)
		}
	}
	for _, name := range []string{"node/coredns", "coredns"} {
		tr := startBare(t, "--columns", "container,file", "--container", name)
		openIn(t, node, "/nested")
		openIn(t, within, "/nested")
		if got := boxes(tr); got != "node/coredns /nested" {
			t.Errorf("--container %s: %q", name, got)
		}
	}
}

// A container's other name shows, and filters follow it.
func TestRenamedContainer(t *testing.T) {
	if _, err := os.Stat("/var/lib/docker"); err == nil {
		t.Skip("NOT TESTED: /var/lib/docker is in use here")
	}
	mount, id := cgroups(t), strings.Repeat("6a", 32)
	config := "/var/lib/docker/containers/" + id + "/config.v2.json"
	putState(t, config, `{"Name":"/old"}`)
	box := makeCgroup(t, mount, "docker/"+id)
	all := startBare(t, "-o", "json", "--columns", "container,file")
	filtered := startBare(t, "-o", "json", "--columns", "container,file", "--container", "new")
	openIn(t, box, "/before")
	line := ""
	for !strings.Contains(line, "/before") {
		line = all.line()
	}
	if !strings.Contains(line, `"name":"old"`) {
		t.Fatalf("%q", line)
	}
	putState(t, config, `{"Name":"/new"}`)
	eventually(t, "the other name", func() bool {
		openIn(t, box, "/after")
		for line = all.line(); !strings.Contains(line, "/after"); line = all.line() {
		}
		return strings.Contains(line, `"name":"new"`)
	})
	eventually(t, "a row that the filter takes", func() bool {
		openIn(t, box, "/wanted")
		select {
		case line := <-filtered.lines:
			return strings.Contains(line, `"name":"new"`)
		default:
			return false
		}
	})
}

// Where containers cannot be told, that is said without -v.
func TestCannotTellContainers(t *testing.T) {
	cgroups(t)
	cmd := exec.Command("unshare", "-m", "sh", "-c", `
		for folder in $(awk '/ - cgroup2 /{print $5}' /proc/self/mountinfo); do umount -l "$folder"; done
		exec "$0" "$@"`, opensnoop, "--columns", "container,file", "-d", "0.1")
	r := runToEnd(t, cmd)
	if r.status != 0 || !strings.Contains(r.stderr, "opensnoop: containers that run already cannot be told: ") {
		t.Errorf("status %d, stderr %q", r.status, r.stderr)
	}
	if r := runToEnd(t, exec.Command(opensnoop, "--columns", "file", "-d", "0.1")); strings.Contains(r.stderr, "cannot be told") {
		t.Errorf("without containers: %q", r.stderr)
	}
}
