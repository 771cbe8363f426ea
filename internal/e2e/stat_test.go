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

// loadModules loads modules of a guest's kernel that are not in it.
func loadModules(t *testing.T, names ...string) {
	t.Helper()
	folder := os.Getenv("OPENSNOOP_KERNEL")
	if folder == "" {
		return // the machine has them, or loads them itself
	}
	for _, name := range names {
		runs(t, "modprobe", "-C", "/dev/null", "-d", folder, name)
	}
}

// runs runs a program that has to succeed.
func runs(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
}

// fileSystems are some below a folder that is on none of overlayfs.
type fileSystems struct {
	t   *testing.T
	dir string
}

func newFileSystems(t *testing.T) *fileSystems {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "stat")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &fileSystems{t, dir}
}

// folder makes one, and returns its path.
func (m *fileSystems) folder(path ...string) string {
	m.t.Helper()
	dir := filepath.Join(append([]string{m.dir}, path...)...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		m.t.Fatal(err)
	}
	return dir
}

func (m *fileSystems) mount(name string, args ...string) string {
	m.t.Helper()
	dir := m.folder(name)
	runs(m.t, "mount", append(args, dir)...)
	m.t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// disk makes a file system of a kind in a file.
func (m *fileSystems) disk(kind string, mkfs ...string) string {
	m.t.Helper()
	image := filepath.Join(m.dir, kind+".img")
	runs(m.t, "truncate", "-s", "400M", image)
	runs(m.t, "mkfs."+kind, append(mkfs, "-q", image)...)
	return m.mount(kind, "-t", kind, "-o", "loop", image)
}

// overlay fileSystems one of some layers, the upper one first.
func (m *fileSystems) overlay(name, options string, upper string, lower ...string) string {
	m.t.Helper()
	work := filepath.Join(filepath.Dir(upper), name+"-work")
	if err := os.MkdirAll(work, 0o755); err != nil {
		m.t.Fatal(err)
	}
	options = fmt.Sprintf("%s,lowerdir=%s,upperdir=%s,workdir=%s", options, strings.Join(lower, ":"), upper, work)
	return m.mount(name, "-t", "overlay", "-o", options, "none")
}

// fill makes n files in a folder, a folder in it, a file there, and one with two names.
func fill(t *testing.T, dir, prefix string, n int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "both"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := os.WriteFile(fmt.Sprintf("%s/%s%d", dir, prefix, i), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "both", prefix), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"-other", "-third"} {
		if err := os.Link(filepath.Join(dir, "both", prefix), filepath.Join(dir, prefix+name)); err != nil {
			t.Fatal(err)
		}
	}
}

// A tree is a folder on a file system of some kind, and how many of its rows may be marked.
type statTree struct {
	dir   string
	marks int
}

// statTrees makes some on all kinds of file systems.
func statTrees(t *testing.T) (m *fileSystems, trees []statTree) {
	m = newFileSystems(t)
	add := func(marks int, dir string) { trees = append(trees, statTree{dir, marks}) }
	m.disk("ext4")
	m.disk("xfs")
	btrfs := m.disk("btrfs")
	for _, dir := range []string{m.folder("plain"), m.folder("ext4", "plain"), m.folder("xfs", "plain")} {
		fill(t, dir, "f", 60)
		add(0, dir)
	}
	fill(t, btrfs, "f", 60)
	for _, name := range []string{"a", "b", "a/nested"} {
		runs(t, "btrfs", "subvolume", "create", filepath.Join(btrfs, name))
		fill(t, filepath.Join(btrfs, name), "f", 60)
	}
	runs(t, "btrfs", "subvolume", "snapshot", filepath.Join(btrfs, "a"), filepath.Join(btrfs, "c"))
	for _, name := range []string{"", "a", "b", "a/nested", "c", "c/nested"} { // the last is an empty folder
		add(0, filepath.Join(btrfs, name))
	}
	const all = 1000
	for _, o := range []struct {
		name, options, upper, lower string
		marks                       int
	}{
		{"one", "rw", "ext4", "ext4", 3},
		{"one-btrfs", "rw", "btrfs", "btrfs", 3},
		{"one-tmpfs", "rw", "shm", "shm", 3},
		{"one-xino", "xino=on", "xfs", "xfs", 3},
		{"two", "xino=off", "xfs", "ext4", all},
		{"two-btrfs", "xino=off", "ext4", "btrfs/a", all},
		{"two-xino", "xino=on", "xfs", "ext4", all},
		{"two-auto", "xino=auto", "ext4", "xfs", all},
		{"nested", "rw", "shm", "one", all},
		{"nested-two", "xino=on", "shm", "two", all},
	} {
		upper, lower := m.folder(o.upper, o.name+"-upper"), m.folder(o.lower, o.name+"-lower")
		fill(t, lower, "l", 20)
		fill(t, upper, "u", 20)
		dir := m.overlay(o.name, o.options, upper, lower, m.folder(o.lower, "empty"))
		fill(t, dir, "m", 20)
		add(o.marks, dir)
	}
	return m, trees
}

// opensAll opens everything in a tree that is not of another, some of it to be written, which copies it up, and
// returns the paths.
func opensAll(t *testing.T, tree statTree) (paths []string) {
	t.Helper()
	var in unix.Stat_t
	err := filepath.WalkDir(tree.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != tree.dir && !strings.HasSuffix(path, "/both") {
			return filepath.SkipDir
		}
		paths = append(paths, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range paths {
		flags := unix.O_RDONLY
		if err := unix.Stat(path, &in); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 && in.Mode&unix.S_IFMT == unix.S_IFREG {
			flags = unix.O_RDWR
		}
		fd, err := unix.Open(path, flags, 0)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		unix.Close(fd)
	}
	return paths
}

// The device and the inode of a row are those that stat tells of the file, or they are marked.
func TestDevAndInodeAsStat(t *testing.T) {
	loadModules(t, "loop", "ext4", "xfs", "btrfs")
	m, trees := statTrees(t)
	paths := make(map[string][]string)
	rows, lost := kindRows(t, []string{"--path", m.dir + "/**"}, func() {
		for _, tree := range trees {
			paths[tree.dir] = opensAll(t, tree)
		}
	})
	all, missing := 0, 0
	for _, tree := range trees {
		marked := 0
		for _, path := range paths[tree.dir] {
			var st unix.Stat_t
			if err := unix.Stat(path, &st); err != nil {
				t.Fatal(err)
			}
			row, ok := rows[path]
			dev := fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
			switch {
			case !ok:
				missing++
			case row.StatDiffers:
				marked++
			case row.Dev != dev || row.Inode != st.Ino:
				t.Errorf("%s: %+v, and stat tells %s %d", path, row, dev, st.Ino)
			}
		}
		// Since Linux 5.11 there are the types of modules.
		if marked > tree.marks && atLeast(t, 5, 11) {
			t.Errorf("%d rows are marked, where %d may be", marked, tree.marks)
		}
		t.Logf("%s: %d files, %d of them marked", strings.TrimPrefix(tree.dir, m.dir), len(paths[tree.dir]), marked)
		all += len(paths[tree.dir])
	}
	if all < 1000 || missing > lost {
		t.Errorf("%d files, %d without a row, up to %d lost", all, missing, lost)
	}
}
