package cgroup

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
)

// memoryMax is how much memory what is in others' files may take.
const memoryMax = 32 << 20

// grown returns how much larger the heap is at some time of what is done.
func grown(do func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(25)) // as the program has it
	debug.FreeOSMemory()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	done, largest := make(chan struct{}), make(chan uint64)
	go func() {
		most := before.HeapInuse
		for {
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapInuse)
			select {
			case <-done:
				largest <- most
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	do()
	close(done)
	return <-largest - before.HeapInuse
}

const listOfMe = "home/me/.local/share/containers/storage/overlay-containers/containers.json"

// A state file may be anything that a user makes: nothing is waited for, nothing is followed,
// and no more is read or kept than a name can be.
func TestHostileFiles(t *testing.T) {
	right := `[{"id":"` + id("b") + `","names":["mine"]}]`
	// What is repeated stands between what is before and behind it.
	write := func(before, repeated string, times int, behind string) func(string) error {
		return func(path string) error {
			return os.WriteFile(path, []byte(before+strings.Repeat(repeated, times)+behind), 0o644)
		}
	}
	for name, test := range map[string]struct {
		make func(path string) error
		want string
	}{
		"a list":           {write(right, "", 0, ""), "mine"},
		"a FIFO":           {func(path string) error { return unix.Mkfifo(path, 0o644) }, ""},
		"a folder":         {func(path string) error { return os.Mkdir(path, 0o755) }, ""},
		"a loop":           {func(path string) error { return os.Symlink(path, path) }, ""},
		"a device":         {func(path string) error { return os.Symlink("/dev/zero", path) }, ""},
		"a link to a file": {func(path string) error { return linkTo(path, right) }, ""},
		"no JSON":          {write("[", "", 0, ""), ""},
		"a hole":           {func(path string) error { return truncate(path, 1<<40) }, ""},
		"a long name":      {write(`[{"id":"`+id("b")+`","names":["`, "x", 30<<20, `"]}]`), ""},
		"a name of 5 KB":   {write(`[{"id":"`+id("b")+`","names":["`, "x", 5<<10, `"]}]`), ""},
		"many names":       {write(`[{"id":"`+id("b")+`","names":["mine"`, `,""`, 300_000, `]}]`), "mine"},
		"names behind":     {write(`[{"id":"`+id("b")+`","names":["mine"`, `,""`, 10<<20, `]}]`), ""},
		"empty things":     {write("[", "{},", 10<<20, right[1:]), ""},
		"some empty":       {write("[", "{},", 100_000, right[1:]), "mine"},
		"deep":             {write("", "[", 30<<20, ""), ""},
		"deep objects":     {write("[", `{"names":`, 3<<20, ""), ""},
		"metadata":         {write(`[{"id":"`+id("b")+`","metadata":"`, "x", 30<<20, `"}]`), ""},
		"deep metadata":    {write(`[{"id":"`+id("b")+`","names":["mine"],"metadata":"`, "[", 900_000, `"}]`), "mine"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			list := filepath.Join(root, listOfMe)
			if err := os.MkdirAll(filepath.Dir(list), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := test.make(list); err != nil {
				t.Fatal(err)
			}
			giveAway(t, filepath.Join(root, "home"))
			r := start(t, root, nil)
			var got *event.Container
			size := grown(func() {
				r.Learn(1, "/user.slice/libpod-"+id("b")+".scope", me)
				got = r.waitFor(t, 1)
			})
			t.Logf("it took %d KB", size>>10)
			switch {
			case size > memoryMax:
				t.Errorf("it took %d MB", size>>20)
			case test.want == "" && got != nil && got.Name != "", test.want != "" && (got == nil || got.Name != test.want):
				t.Errorf("%.200v, want %q", got, test.want)
			}
		})
	}
}

// linkTo makes a link to another file with that text.
func linkTo(path, text string) error {
	if err := os.WriteFile(path+"-true", []byte(text), 0o644); err != nil {
		return err
	}
	return os.Symlink(path+"-true", path)
}

func truncate(path string, size int64) error {
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return err
	}
	return os.Truncate(path, size)
}

// A list of root's may be long; what it holds may not.
func TestLongList(t *testing.T) {
	root := t.TempDir()
	list := filepath.Join(root, "var/lib/containers/storage/overlay-containers/containers.json")
	if err := os.MkdirAll(filepath.Dir(list), 0o755); err != nil {
		t.Fatal(err)
	}
	text := "[" + strings.Repeat(`{"id":"x","metadata":"`+strings.Repeat("y", 1000)+`"},`, 5000) + `{"id":"` + id("b") + `","names":["last"]}]`
	if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r := start(t, root, nil)
	r.Learn(1, "/libpod-"+id("b"), 0)
	if got := r.waitFor(t, 1); got == nil || got.Name != "last" {
		t.Errorf("the last of a list of %d MB is %+v", len(text)>>20, got)
	}
}

// What a user links to is no file of that user's: it tells nothing.
func TestForeignFiles(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root has files of several users")
	}
	root := fixture(t)
	storage := filepath.Join(root, "home/me/.local/share/containers/storage")
	if err := os.RemoveAll(storage); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/var/lib/containers/storage", storage); err != nil {
		t.Fatal(err)
	}
	r := start(t, root, nil)
	r.Learn(1, "/user.slice/libpod-"+id("b")+".scope", me)
	if got := r.waitFor(t, 1); got != nil {
		t.Errorf("a user's container has the name of root's: %+v", got)
	}
}

// An owner whose files nobody can read holds up nobody else, and neither does one with many.
func TestOwnersDoNotWaitForEachOther(t *testing.T) {
	root := fixture(t)
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	hold := make(chan struct{})
	r := newRegistry(fd, func(uid uint32) string {
		if uid > me {
			<-hold
		}
		return homeOfMe(uid)
	}, nil)
	t.Cleanup(func() { close(hold); r.Close() })
	for n := range uint64(3000) {
		r.Learn(1000+n, fmt.Sprintf("/user.slice/%d/libpod-%s.scope", n, id("b")), me+1+uint32(n%3))
	}
	r.Learn(1, "/user.slice/libpod-"+id("b")+".scope", me)
	r.Learn(2, "/system.slice/docker-"+id("a")+".scope", 0)
	if c := r.waitFor(t, 2); c == nil || c.Name != "web-1" {
		t.Errorf("root's is %+v", c)
	}
	if c := r.waitFor(t, 1); c == nil || c.Name != "not-the-one-of-root" {
		t.Errorf("a user's is %+v", c)
	}
	if r.Of(1000).Resolved() {
		t.Error("what cannot be read is known")
	}
}

// Names that nobody finds do not take away the time of those that come later: nothing waits.
func TestManyNameless(t *testing.T) {
	r := start(t, fixture(t), nil)
	for n := range uint64(200) {
		r.Learn(1000+n, fmt.Sprintf("/libpod-%064x", n), 0)
	}
	began := time.Now()
	for n := range uint64(200) {
		if c := r.Of(1000 + n); c.Container() == nil || c.Container().ID == "" {
			t.Fatalf("meanwhile it is %+v", c.Container())
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("asking took %v", took)
	}
	r.Learn(1, "/libpod-"+id("b"), 0)
	if c := r.waitFor(t, 1); c == nil || c.Name != "db" {
		t.Errorf("a container behind 200 without a name is %+v", c)
	}
}

// However many cgroups there are, and however they are called: what is kept of them is bounded.
func TestBound(t *testing.T) {
	root := t.TempDir()
	folder := filepath.Join(root, "home/me/.local/share/docker/containers")
	text, err := json.Marshal(map[string]any{"Name": strings.Repeat("n", textMax), "Config": map[string]any{"Image": strings.Repeat("i", textMax)}})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 500 {
		config := filepath.Join(folder, fmt.Sprintf("%064x", n), "config.v2.json")
		if err := os.MkdirAll(filepath.Dir(config), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(config, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	giveAway(t, filepath.Join(root, "home"))
	r := start(t, root, nil)
	long := strings.Repeat("/"+strings.Repeat("p", 250), 3)
	var live runtime.MemStats
	size := grown(func() {
		for n := range uint64(3 * cgroupsMax) {
			r.Learn(n, fmt.Sprintf("/user%s/%d/docker-%064x.scope", long, n, n%500), me)
			r.Learn(1<<40+n, fmt.Sprintf("/plain/%d", n), me)
			r.Learn(1<<41+n, fmt.Sprintf("/plain/%d", n), 0)
		}
		runtime.GC()
		runtime.ReadMemStats(&live)
	})
	// On a busy machine the collector comes late: what it has not freed yet says nothing of a bound.
	t.Logf("it took %d KB, of which %d KB are in use", size>>10, live.HeapAlloc>>10)
	if live.HeapAlloc > memoryMax {
		t.Errorf("%d MB are in use", live.HeapAlloc>>20)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range []*generation{r.now, r.before} {
		if len(g.cgroups) > cgroupsMax || g.size > sizeMax+ownerMax || g.sizes[owner{uid: me}] > ownerMax+1<<14 {
			t.Errorf("%d cgroups, %d bytes, %d of the user's", len(g.cgroups), g.size, g.sizes[owner{uid: me}])
		}
	}
}

// Another name shows, and one that is gone stays.
func TestRename(t *testing.T) {
	root := fixture(t)
	r := start(t, root, nil)
	known := make(chan *event.Container, 100)
	r.Known = func(_ uint64, c *event.Container, _ *event.Unit) { known <- c }
	r.Learn(1, "/system.slice/docker-"+id("a")+".scope", 0)
	if c := <-known; c.Name != "web-1" {
		t.Fatalf("%+v", c)
	}
	config := func(container string) string {
		return filepath.Join(root, "var/lib/docker/containers", container, "config.v2.json")
	}
	rename := func(container, name string) {
		t.Helper()
		text := fmt.Appendf(nil, `{"Name":"/%s","Config":{"Image":"nginx:1.27"}}`, name)
		err := errors.Join(os.MkdirAll(filepath.Dir(config(container)), 0o755), os.WriteFile(config(container)+".tmp", text, 0o644))
		if err = errors.Join(err, os.Rename(config(container)+".tmp", config(container))); err != nil {
			t.Fatal(err)
		}
	}
	rename(id("a"), "web-2")
	if c := <-known; c.Name != "web-2" || r.Of(1).Container() != c {
		t.Errorf("after a rename it is %+v", c)
	}
	rename(id("e"), "other-0")
	r.Learn(2, "/system.slice/docker-"+id("e")+".scope", 0)
	if err := os.Remove(config(id("a"))); err != nil {
		t.Fatal(err)
	}
	// Once two more names of another one show, both were looked at since.
	for n := range 3 {
		name := fmt.Sprint("other-", n)
		if n > 0 {
			rename(id("e"), name)
		}
		if c := <-known; c.Name != name {
			t.Fatalf("%+v, want %s", c, name)
		}
	}
	if c := r.Of(1).Container(); c.Name != "web-2" {
		t.Errorf("when it has ended it is %+v", c)
	}
}

// The state folders of Kubernetes' distributions.
func TestKubernetesDistributions(t *testing.T) {
	for _, state := range []string{"run/k3s/containerd", "var/snap/microk8s/common/run/containerd", "run/k0s/containerd"} {
		root := t.TempDir()
		config := filepath.Join(root, state, "io.containerd.runtime.v2.task/k8s.io", id("f"), "config.json")
		if err := os.MkdirAll(filepath.Dir(config), 0o755); err != nil {
			t.Fatal(err)
		}
		text := `{"ociVersion":"1.2.0","annotations":{"io.kubernetes.cri.container-name":"coredns","io.kubernetes.cri.container-type":"container","io.kubernetes.cri.sandbox-name":"coredns-1","io.kubernetes.cri.sandbox-namespace":"kube-system","io.kubernetes.cri.image-name":"docker.io/rancher/mirrored-coredns:1.12"}}`
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		r := start(t, root, nil)
		r.Learn(1, "/kubepods/burstable/pod1/"+id("f"), 0)
		want := event.Container{ID: id("f"), Name: "coredns", Image: "docker.io/rancher/mirrored-coredns:1.12", Pod: "coredns-1", Namespace: "kube-system", Runtime: "containerd", Title: "coredns"}
		if got := r.waitFor(t, 1); got == nil || *got != want {
			t.Errorf("%s: %+v", state, got)
		}
	}
}

// Those that are there are found when somebody asks, or all at once by those who may not ask.
func TestWalk(t *testing.T) {
	mount := t.TempDir()
	folder := filepath.Join(mount, "lxc.payload.c1")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	var stat unix.Stat_t
	if err := unix.Stat(folder, &stat); err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(mount)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, fixture(t), &hierarchy{folder: open, mount: mount})
	r.walk()
	if c := r.waitFor(t, stat.Ino); os.Getuid() == 0 && (c == nil || c.Name != "c1") {
		t.Errorf("it is of %+v", c)
	}
}

// Paths and state files are others'.
func FuzzFromPath(f *testing.F) {
	f.Add("/system.slice/docker-" + id("a") + ".scope/docker-" + id("b") + ".scope")
	f.Add("/machine.slice/machine-my\\x2ddebian.scope")
	f.Fuzz(func(t *testing.T, path string) {
		above := ""
		for _, m := range fromPath(path) {
			if m.container.ID == "" || !strings.HasPrefix(path, m.own) || !strings.HasPrefix(m.own, above) || m.own == above {
				t.Errorf("%q: %+v, %q", path, m.container, m.own)
			}
			above = m.own
		}
	})
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`[{"id":"` + id("b") + `","names":["mine"],"metadata":"{\"image-name\":\"i\"}"}]`))
	f.Add([]byte(`{"Name":"/n","Config":{"Image":"i","Labels":{"io.kubernetes.pod.name":"p"}}}`))
	f.Add([]byte(`{"annotations":{"io.kubernetes.cri.container-name":"n","io.kubernetes.cri.container-type":"sandbox"}}`))
	f.Add([]byte("[storage]\ngraphroot = \"/x\"\n"))
	f.Add([]byte(`{"data-root":"/var/../.."}`))
	root := f.TempDir()
	var paths []string
	for _, path := range []string{
		"var/lib/docker/containers/" + id("b") + "/config.v2.json",
		"var/lib/containers/storage/overlay-containers/containers.json",
		"run/containerd/io.containerd.runtime.v2.task/k8s.io/" + id("b") + "/config.json",
		"etc/containers/storage.conf", "etc/docker/daemon.json",
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			f.Fatal(err)
		}
		paths = append(paths, path)
	}
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, path := range paths {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, runtime := range []string{docker, podman, containerd, ""} {
			c := event.Container{ID: id("b"), Runtime: runtime}
			(&files{root: fd}).complete(&c)
			if c.ID != id("b") || len(c.Name)+len(c.Image)+len(c.Pod)+len(c.Namespace) > 4*textMax {
				t.Errorf("%q: %+v", text, c)
			}
		}
	})
}
