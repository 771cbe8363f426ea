package container

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
)

// id is the id of a container that is made of one character.
func id(c string) string { return strings.Repeat(c, 64) }

func fixtures(t *testing.T) states {
	t.Helper()
	root, err := filepath.Abs("../../testdata/container/root")
	if err != nil {
		t.Fatal(err)
	}
	return states{root, func(uid uint32) string {
		if uid == 1000 {
			return "/home/me"
		}
		return ""
	}}
}

// wait waits until all that is known now has been looked up, or that time is over.
func (r *Registry) wait(limit time.Duration) {
	r.mu.Lock()
	var open []*entry
	for _, e := range r.entries {
		open = append(open, e)
	}
	r.mu.Unlock()
	end := time.After(limit)
	for _, e := range open {
		select {
		case <-e.done:
		case <-end:
			return
		}
	}
}

// Every runtime's cgroups, and others that look like some.
func TestContainers(t *testing.T) {
	r := newRegistry(fixtures(t), "")
	defer r.Close()
	for i, test := range []struct {
		path string
		uid  uint32
		want event.Container
	}{
		{"/", 0, event.Container{}},
		{"/system.slice/nginx.service", 0, event.Container{}},
		{"/system.slice/docker-" + id("a") + ".scope", 0, event.Container{ID: id("a"), Name: "web-1", Image: "nginx:1.27", Runtime: "docker"}},
		{"/docker/" + id("a"), 0, event.Container{ID: id("a"), Name: "web-1", Image: "nginx:1.27", Runtime: "docker"}},
		{"/docker/" + id("a") + "/init.scope/docker-" + id("b") + ".scope", 0, event.Container{ID: id("a"), Name: "web-1", Image: "nginx:1.27", Runtime: "docker"}},
		{"/machine.slice/libpod-" + id("b") + ".scope/container", 0, event.Container{ID: id("b"), Name: "db", Image: "docker.io/library/postgres:17", Runtime: "podman"}},
		{"/libpod_parent/libpod-" + id("b"), 0, event.Container{ID: id("b"), Name: "db", Image: "docker.io/library/postgres:17", Runtime: "podman"}},
		{"/machine.slice/libpod-conmon-" + id("b") + ".scope", 0, event.Container{}},
		{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id("b") + ".scope", 1000, event.Container{ID: id("b"), Name: "not-the-one-of-root", Runtime: "podman"}},
		{"/kubepods.slice/kubepods-pod1.slice/crio-" + id("c") + ".scope", 0, event.Container{ID: id("c"), Name: "api", Image: "registry.example/api:3", Pod: "api-7f", Namespace: "prod", Runtime: "cri-o"}},
		{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-" + id("d") + ".scope", 0, event.Container{ID: id("d"), Name: "sidecar", Image: "registry.example/sidecar:1", Pod: "front-0", Namespace: "shop", Runtime: "containerd"}},
		{"/kubepods/burstable/pod1/" + id("d"), 0, event.Container{ID: id("d"), Name: "sidecar", Image: "registry.example/sidecar:1", Pod: "front-0", Namespace: "shop", Runtime: "containerd"}},
		{"/kubepods/burstable/pod1/" + id("e"), 0, event.Container{ID: id("e"), Name: "POD", Pod: "front-0", Namespace: "shop", Runtime: "containerd"}},
		{"/kubepods/burstable/pod1", 0, event.Container{}},
		{"/default/web", 0, event.Container{ID: "web", Name: "web", Runtime: "containerd"}},
		{"/other/web", 0, event.Container{}},
		{"/plain", 0, event.Container{ID: "plain", Name: "plain", Runtime: "runc"}},
		{"/user.slice/mine/plain", 1000, event.Container{}},
		{"/machine.slice/machine-my\\x2ddebian.scope/payload", 0, event.Container{ID: "my-debian", Name: "my-debian", Runtime: "systemd-nspawn"}},
		{"/machine.slice/systemd-nspawn@old.service/payload", 0, event.Container{ID: "old", Name: "old", Runtime: "systemd-nspawn"}},
		{"/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", 0, event.Container{}},
		{"/lxc.payload.c1/system.slice", 0, event.Container{ID: "c1", Name: "c1", Runtime: "lxc"}},
		{"/lxc/c2", 0, event.Container{ID: "c2", Name: "c2", Runtime: "lxc"}},
		{"/lxc.monitor.c1", 0, event.Container{}},
		{"/docker/" + id("9"), 0, event.Container{ID: id("9"), Runtime: "docker"}},
		{"/docker/" + id("A"), 0, event.Container{}},
	} {
		number := uint64(i + 1)
		r.Learn(number, test.path, test.uid)
		r.wait(10 * time.Second)
		if got, _ := r.Of(number); got == nil || *got != test.want {
			t.Errorf("%s of user %d: %+v, want %+v", test.path, test.uid, got, test.want)
		}
	}
	r.Learn(1<<41, "/user.slice/user-1001.slice/libpod-"+id("b")+".scope", 1001)
	r.wait(10 * time.Second)
	if got, _ := r.Of(1 << 41); got != nil {
		t.Errorf("a user's cgroup that is called by another's container is of %+v", got)
	}
	if got, _ := r.Of(1 << 40); got != nil {
		t.Errorf("a cgroup that nobody has told of is of %+v", got)
	}
}

// A name that cannot be read in time is not waited for again and again, and comes later.
func TestSlowNames(t *testing.T) {
	s := fixtures(t)
	hold := make(chan struct{})
	s.home = func(uint32) string { <-hold; return "/home/me" }
	known := make(chan *event.Container, 10)
	r := newRegistry(s, "")
	defer r.Close()
	r.Known = func(_ uint64, c *event.Container) { known <- c }
	r.Learn(1, "/user.slice/libpod-"+id("b")+".scope", 1000)
	r.Learn(2, "/system.slice/docker-"+id("a")+".scope", 0)
	if c := <-known; c.Name != "web-1" {
		t.Errorf("the first name known is of %+v: root's waited for a user's", c)
	}
	began := time.Now()
	for range 1000 {
		if c, settled := r.Of(1); settled || c == nil || c.ID != id("b") || c.Name != "" {
			t.Fatalf("what is known meanwhile is %+v", c)
		}
	}
	if took := time.Since(began); took > 4*waitTotal {
		t.Errorf("asking a thousand times took %v", took)
	}
	close(hold)
	if c := <-known; c.Name != "not-the-one-of-root" {
		t.Errorf("the name that came late is of %+v", c)
	}
}

// There are never more cgroups known than the bound, and those that are there are found again.
func TestBound(t *testing.T) {
	mount := t.TempDir()
	if err := os.Mkdir(filepath.Join(mount, "lxc.payload.c1"), 0o755); err != nil {
		t.Fatal(err)
	}
	var stat unix.Stat_t
	if err := unix.Stat(filepath.Join(mount, "lxc.payload.c1"), &stat); err != nil {
		t.Fatal(err)
	}
	r := newRegistry(fixtures(t), mount)
	defer r.Close()
	for n := range uint64(2*cgroupsMax + 10) {
		r.Learn(1<<50+n, "/user/x", 1000)
		if len(r.cgroups) > cgroupsMax {
			t.Fatalf("%d cgroups are known", len(r.cgroups))
		}
	}
	end := time.Now().Add(10 * time.Second)
	for c, _ := r.Of(stat.Ino); c == nil && time.Now().Before(end); c, _ = r.Of(stat.Ino) {
		time.Sleep(time.Millisecond)
	}
	if c, _ := r.Of(stat.Ino); c == nil || c.Name != "c1" {
		t.Errorf("a cgroup that was forgotten is of %+v", c)
	}
}

// A state file may be anything that a user makes.
func TestOddFiles(t *testing.T) {
	root := t.TempDir()
	list := filepath.Join(root, "home/me/.local/share/containers/storage/overlay-containers/containers.json")
	if err := os.MkdirAll(filepath.Dir(list), 0o755); err != nil {
		t.Fatal(err)
	}
	s := states{root, func(uint32) string { return "/home/me" }}
	for name, make := range map[string]func() error{
		"a FIFO":   func() error { return unix.Mkfifo(list, 0o644) },
		"a folder": func() error { return os.Mkdir(list, 0o755) },
		"a loop":   func() error { return os.Symlink(list, list) },
		"zeros":    func() error { return os.Symlink("/dev/zero", list) },
		"no JSON":  func() error { return os.WriteFile(list, []byte("["), 0o644) },
		"too much": func() error {
			if err := os.WriteFile(list, nil, 0o644); err != nil {
				return err
			}
			return os.Truncate(list, stateMax+1)
		},
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		c := event.Container{ID: id("b"), Runtime: podman}
		if s.complete(&c, 1000) || c.Name != "" {
			t.Errorf("%s: %+v", name, c)
		}
		if err := os.RemoveAll(list); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMountPoint(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mountinfo")
	for text, want := range map[string]string{
		"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n":                                                                                          "/sys/fs/cgroup",
		"30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n32 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n": "/sys/fs/cgroup/unified",
		"32 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n":                                                                                                               "",
		"30 23 0:26 /docker/x /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n":                                                                                                             "",
		"garbage\n": "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := mountPoint(file); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzFromPath(f *testing.F) {
	f.Add("/system.slice/docker-" + id("a") + ".scope")
	f.Add("/machine.slice/machine-my\\x2ddebian.scope")
	f.Fuzz(func(t *testing.T, path string) {
		c, own, ok := fromPath(path)
		if ok && (c.ID == "" || !strings.HasPrefix(path, own)) {
			t.Errorf("%q: %+v, %q", path, c, own)
		}
	})
}
