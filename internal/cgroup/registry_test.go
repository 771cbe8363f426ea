package cgroup

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
)

// id is the id of a container that is made of one character.
func id(c string) string { return strings.Repeat(c, 64) }

// me is the user whose files those below home/me are: 1000, where we may give files away.
var me = func() uint32 {
	if os.Getuid() == 0 {
		return 1000
	}
	return uint32(os.Getuid())
}()

// fixture returns a copy of the files of runtimes in testdata.
func fixture(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS("../../testdata/container/root")); err != nil {
		t.Fatal(err)
	}
	giveAway(t, filepath.Join(root, "home/me"))
	return root
}

// giveAway makes a folder with all in it that user's.
func giveAway(t *testing.T, folder string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(me), -1)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func homeOfMe(uid uint32) string {
	if uid == me {
		return "/home/me"
	}
	return ""
}

// start returns a registry with files of runtimes below a folder.
func start(t *testing.T, root string, h *hierarchy) *Registry {
	t.Helper()
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := newRegistry(fd, homeOfMe, h)
	t.Cleanup(r.Close)
	return r
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// container waits until all is known of a cgroup.
func (r *Registry) waitFor(t *testing.T, id uint64) *event.Container {
	t.Helper()
	eventually(t, "a cgroup is known", func() bool { return r.Of(id).Resolved() })
	return r.Of(id).Container()
}

// Every runtime's cgroups, and others that look like some.
func TestContainers(t *testing.T) {
	r := start(t, fixture(t), nil)
	a := event.Container{ID: id("a"), Name: "web-1", Image: "nginx:1.27", Runtime: "docker", Title: "web-1"}
	b := event.Container{ID: id("b"), Name: "db", Image: "docker.io/library/postgres:17", Runtime: "podman", Title: "db"}
	d := event.Container{ID: id("d"), Name: "sidecar", Image: "registry.example/sidecar:1", Pod: "front-0", Namespace: "shop", Runtime: "containerd", Title: "sidecar"}
	inA := event.Container{ID: id("b"), Runtime: "docker", Title: "web-1/bbbbbbbbbbbb", Outer: &a}
	for i, test := range []struct {
		path string
		uid  uint32
		want event.Container
	}{
		{"/", 0, event.Container{}},
		{"/system.slice/nginx.service", 0, event.Container{}},
		{"/system.slice/docker-" + id("a") + ".scope", 0, a},
		{"/docker/" + id("a"), 0, a},
		{"/docker/" + id("a") + "/init.scope/docker-" + id("b") + ".scope", 0, inA},
		{"/machine.slice/libpod-" + id("b") + ".scope/container", 0, b},
		{"/libpod_parent/libpod-" + id("b"), 0, b},
		{"/system.slice/db.service/libpod-payload-" + id("b"), 0, b},
		{"/system.slice/db.service/runtime", 0, event.Container{}},
		{"/system.slice/db.service/libpod-payload-" + id("b") + "/libpod-payload-" + id("b"), 0, b},
		{"/machine.slice/libpod-conmon-" + id("b") + ".scope", 0, event.Container{}},
		{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id("b") + ".scope", me, event.Container{ID: id("b"), Name: "not-the-one-of-root", Runtime: "podman", UID: me, Title: fmt.Sprintf("not-the-one-of-root@%d", me)}},
		{"/kubepods.slice/kubepods-pod1.slice/crio-" + id("c") + ".scope", 0, event.Container{ID: id("c"), Name: "api", Image: "registry.example/api:3", Pod: "api-7f", Namespace: "prod", Runtime: "cri-o", Title: "api"}},
		{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-" + id("d") + ".scope", 0, d},
		{"/kubepods/burstable/pod1/" + id("d"), 0, d},
		{"/kubepods/burstable/pod1/" + id("e"), 0, event.Container{ID: id("e"), Name: "POD", Pod: "front-0", Namespace: "shop", Runtime: "containerd", Title: "POD"}},
		{"/kubepods/burstable/pod1", 0, event.Container{}},
		{"/default/web", 0, event.Container{ID: "web", Name: "web", Runtime: "containerd", Title: "web"}},
		{"/other/web", 0, event.Container{}},
		{"/plain", 0, event.Container{ID: "plain", Name: "plain", Runtime: "runc", Title: "plain"}},
		{"/user.slice/mine/plain", me, event.Container{}},
		{"/machine.slice/machine-my\\x2ddebian.scope/payload", 0, event.Container{ID: "my-debian", Name: "my-debian", Runtime: "systemd-nspawn", Title: "my-debian"}},
		{"/machine.slice/systemd-nspawn@old.service/payload", 0, event.Container{ID: "old", Name: "old", Runtime: "systemd-nspawn", Title: "old"}},
		{"/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", 0, event.Container{}},
		{"/lxc.payload.c1/system.slice", 0, event.Container{ID: "c1", Name: "c1", Runtime: "lxc", Title: "c1"}},
		{"/lxc/c2", 0, event.Container{ID: "c2", Name: "c2", Runtime: "lxc", Title: "c2"}},
		{"/lxc.monitor.c1", 0, event.Container{}},
		{"/docker/" + id("9"), 0, event.Container{ID: id("9"), Runtime: "docker", Title: "999999999999"}},
		{"/docker/" + id("A"), 0, event.Container{}},
	} {
		number := uint64(i + 1)
		r.Learn(number, test.path, test.uid)
		if got := r.waitFor(t, number); got == nil || !reflect.DeepEqual(*got, test.want) {
			t.Errorf("%s of user %d: %+v, want %+v", test.path, test.uid, got, test.want)
		} else if got := r.Of(number).Unit(); *got != unitOf(test.path) {
			t.Errorf("%s is of unit %+v", test.path, got)
		}
	}
	r.Learn(1<<41, "/user.slice/user-1001.slice/libpod-"+id("b")+".scope", me+1)
	if got := r.waitFor(t, 1<<41); got != nil {
		t.Errorf("a user's cgroup that is called by another's container is of %+v", got)
	}
	if got := r.Of(1 << 40).Container(); got != nil {
		t.Errorf("a cgroup that nobody has told of is of %+v", got)
	}
}

func TestMountPoints(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mountinfo")
	for text, want := range map[string]string{
		"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n":                                                                                          "/sys/fs/cgroup",
		"30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n32 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n": "/sys/fs/cgroup/unified",
		"32 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n":                                                                                                               "",
		"30 23 0:26 /docker/x /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n40 23 0:26 /../.. /host rw - cgroup2 cgroup2 rw\n":                                                            "/sys/fs/cgroup /host",
		"garbage\n": "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(mountPoints(file), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	// A folder that is no hierarchy from its top is none.
	if h := openHierarchy([]string{"/no/such/folder", t.TempDir()}); h != nil {
		t.Errorf("%+v", h)
	}
}

func TestInUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cgroup")
	for text, want := range map[string]bool{
		"0::/\n": true, "2:cpu:/\n0::/x\n": true, "2:cpu:/\n1:name=systemd:/0::/\n": false, "": false,
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := inUse(file); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
