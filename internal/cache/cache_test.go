package cache

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func folder(t *testing.T) (*Folder, string) {
	path := filepath.Join(t.TempDir(), "cache")
	return At(path), path
}

func put(t *testing.T, f *Folder, key, data string) {
	t.Helper()
	if err := f.Put(key, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

// wantGet checks what a key gives; "" is an error.
func wantGet(t *testing.T, f *Folder, key, want string) {
	t.Helper()
	got, err := f.Get(key)
	if string(got) != want || (err != nil) != (want == "") {
		t.Errorf("key %q gives %q, error %v; want %q", key, got, err, want)
	}
}

func entryPath(t *testing.T, path, key string) string {
	t.Helper()
	name, err := fileName(key)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(path, name)
}

func TestKeepsByKey(t *testing.T) {
	f, path := folder(t)
	if _, err := f.Get("a"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: error %v", err)
	}
	put(t, f, "a", "one")
	put(t, f, "b\x00/../c", "two")
	put(t, f, "a", "three")
	wantGet(t, f, "a", "three")
	wantGet(t, f, "b\x00/../c", "two")
	if _, err := f.Get("c"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no entry: error %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != os.ModeDir|0o700 {
		t.Errorf("the folder: %v, error %v", info.Mode(), err)
	}
	if info, err = os.Stat(entryPath(t, path, "a")); err != nil || info.Mode() != 0o600 {
		t.Errorf("an entry: %v, error %v", info.Mode(), err)
	}
	if err := f.Put("", nil); err == nil {
		t.Error("an empty key: no error")
	}
	if err := f.Put("a", make([]byte, maxSize)); err == nil {
		t.Error("too large: no error")
	}
}

func TestNone(t *testing.T) {
	for _, f := range []*Folder{nil, {}, None("not wanted")} {
		if _, err := f.Get("a"); err == nil {
			t.Error("no error")
		}
		if err := f.Put("a", nil); err == nil {
			t.Error("no error")
		}
		if f.Path() != "" {
			t.Errorf("it is at %q", f.Path())
		}
	}
}

// attacks are done to an entry's file; what is then read must be nothing, and a Put
// must put it right.
var attacks = map[string]func(entry string) error{
	"damaged":   func(entry string) error { return patch(entry, -1, 'X') },
	"header":    func(entry string) error { return patch(entry, 0, 'X') },
	"sum":       func(entry string) error { return patch(entry, len(header)+3, 'X') },
	"truncated": func(entry string) error { return os.Truncate(entry, int64(entryOverhead)+1) },
	"short":     func(entry string) error { return os.Truncate(entry, 3) },
	"empty":     func(entry string) error { return os.Truncate(entry, 0) },
	"huge":      func(entry string) error { return os.Truncate(entry, maxSize+1) },
	"writable by the group": func(entry string) error {
		return os.Chmod(entry, 0o620)
	},
	"writable by all": func(entry string) error { return os.Chmod(entry, 0o602) },
	"a link": func(entry string) error {
		return errors.Join(os.Rename(entry, entry+"-"), os.Symlink(entry+"-", entry))
	},
	"a link to nowhere": func(entry string) error {
		return errors.Join(os.Remove(entry), os.Symlink("/nowhere", entry))
	},
	"a FIFO":   func(entry string) error { return errors.Join(os.Remove(entry), unix.Mkfifo(entry, 0o600)) },
	"a folder": func(entry string) error { return errors.Join(os.Remove(entry), os.Mkdir(entry, 0o700)) },
	"a socket or device": func(entry string) error {
		return errors.Join(os.Remove(entry), unix.Mknod(entry, unix.S_IFSOCK|0o600, 0))
	},
	"two names": func(entry string) error { return os.Link(entry, entry+"-") },
}

func patch(path string, at int, with byte) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if at < 0 {
		at += len(data)
	}
	data[at] ^= with
	return os.WriteFile(path, data, 0o600)
}

func TestAttacksOnAnEntry(t *testing.T) {
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			f, path := folder(t)
			put(t, f, "key", "the data")
			entry := entryPath(t, path, "key")
			if err := attack(entry); err != nil {
				t.Fatal(err)
			}
			wantGet(t, f, "key", "")
			put(t, f, "key", "anew")
			wantGet(t, f, "key", "anew")
			wantNoTemporary(t, path)
		})
	}
}

// A file of another user in our folder, as if it had been another's before.
func TestForeignEntry(t *testing.T) {
	needRoot(t)
	f, path := folder(t)
	put(t, f, "key", "the data")
	if err := os.Chown(entryPath(t, path, "key"), 12345, 0); err != nil {
		t.Fatal(err)
	}
	wantGet(t, f, "key", "")
	put(t, f, "key", "anew")
	wantGet(t, f, "key", "anew")
}

// A folder that is not ours alone is neither read nor written.
func TestAttacksOnTheFolder(t *testing.T) {
	for name, attack := range map[string]func(t *testing.T, path string) error{
		"foreign":               func(t *testing.T, path string) error { needRoot(t); return os.Chown(path, 12345, 0) },
		"writable by the group": func(_ *testing.T, path string) error { return os.Chmod(path, 0o770) },
		"writable by all":       func(_ *testing.T, path string) error { return os.Chmod(path, 0o1777) },
		"a link": func(_ *testing.T, path string) error {
			return errors.Join(os.Rename(path, path+"-"), os.Symlink(path+"-", path))
		},
		"a file": func(_ *testing.T, path string) error {
			return errors.Join(os.RemoveAll(path), os.WriteFile(path, nil, 0o600))
		},
		"a FIFO": func(_ *testing.T, path string) error {
			return errors.Join(os.RemoveAll(path), unix.Mkfifo(path, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, path := folder(t)
			put(t, f, "key", "the data")
			if err := attack(t, path); err != nil {
				t.Fatal(err)
			}
			wantGet(t, f, "key", "")
			if err := f.Put("other", []byte("x")); err == nil {
				t.Error("it was written to")
			}
		})
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("*** DID NOT RUN: it needs root")
	}
}

func wantNoTemporary(t *testing.T, path string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(path, temporary+"*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, error %v", left, err)
	}
}

func TestFullDisk(t *testing.T) {
	needRoot(t)
	path := t.TempDir()
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, "size=16k,mode=0700"); err != nil {
		t.Skipf("*** DID NOT RUN: mounting a small file system: %v", err)
	}
	defer unix.Unmount(path, unix.MNT_DETACH)
	f := At(path)
	if err := f.Put("key", bytes.Repeat([]byte("x"), 64<<10)); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("error %v", err)
	}
	wantGet(t, f, "key", "")
	wantNoTemporary(t, path)
}

func TestReadOnly(t *testing.T) {
	needRoot(t)
	f, path := folder(t)
	put(t, f, "key", "the data")
	if err := unix.Mount(path, path, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("*** DID NOT RUN: mounting a folder on itself: %v", err)
	}
	defer unix.Unmount(path, unix.MNT_DETACH)
	if err := unix.Mount("", path, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	wantGet(t, f, "key", "the data")
	if err := f.Put("other", []byte("x")); !errors.Is(err, unix.EROFS) {
		t.Errorf("error %v", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	f, path := folder(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			want := bytes.Repeat([]byte{byte('a' + i)}, 100_000)
			if err := f.Put("key", want); err != nil {
				t.Error(err)
			}
			got, err := f.Get("key")
			if err != nil || len(got) != len(want) || bytes.Count(got, got[:1]) != len(got) {
				t.Errorf("%d bytes, not of one writer, error %v", len(got), err)
			}
		})
	}
	wg.Wait()
	wantNoTemporary(t, path)
}

func TestBounded(t *testing.T) {
	f, path := folder(t)
	put(t, f, "first", "x")
	old := time.Now().Add(-48 * time.Hour)
	for key, used := range map[string]time.Time{"first": old} {
		if err := os.Chtimes(entryPath(t, path, key), used, used); err != nil {
			t.Fatal(err)
		}
	}
	wantGet(t, f, "first", "x") // now it is in use again
	for i := range maxEntries + 5 {
		key := fmt.Sprint("key ", i)
		put(t, f, key, "x")
		used := old.Add(time.Duration(i) * time.Second)
		if err := os.Chtimes(entryPath(t, path, key), used, used); err != nil {
			t.Fatal(err)
		}
	}
	put(t, f, "last", "x")
	entries, err := os.ReadDir(path)
	if err != nil || len(entries) != maxEntries {
		t.Errorf("%d entries, error %v", len(entries), err)
	}
	wantGet(t, f, "first", "x")
	wantGet(t, f, "key 0", "")
	for i := range 9 {
		put(t, f, fmt.Sprint("large ", i), strings.Repeat("x", 3<<20))
	}
	var total int64
	entries, _ = os.ReadDir(path)
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			total += info.Size()
		}
	}
	if total > maxBytes {
		t.Errorf("%d bytes in all", total)
	}
	wantGet(t, f, "large 8", strings.Repeat("x", 3<<20))
}

func TestKilledWritersLeaveNothingForLong(t *testing.T) {
	f, path := folder(t)
	put(t, f, "key", "x")
	old := time.Now().Add(-2 * staleTime)
	for name, used := range map[string]time.Time{"0123456789abcde1": time.Now(), "0123456789abcde2": old} {
		left := filepath.Join(path, temporary+name)
		if err := errors.Join(os.WriteFile(left, nil, 0o600), os.Chtimes(left, used, used)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, f, "key", "y")
	if left, _ := filepath.Glob(filepath.Join(path, temporary+"*")); len(left) != 1 || !strings.HasSuffix(left[0], "1") {
		t.Errorf("left: %q", left)
	}
}

// A folder may have files of somebody else, with names like ours even, which are not removed.
func TestForeignFilesStay(t *testing.T) {
	f, path := folder(t)
	put(t, f, "key", "x")
	old := time.Now().Add(-2 * staleTime)
	var foreign []string
	for i := range maxEntries + 6 {
		names := []string{fmt.Sprint("notes ", i), fmt.Sprintf("%064x", i), fmt.Sprintf(".new-%016x", i), ".new-backup"}
		foreign = append(foreign, filepath.Join(path, names[i%len(names)]))
	}
	for _, file := range foreign {
		if err := errors.Join(os.WriteFile(file, make([]byte, 1<<20), 0o600), os.Chtimes(file, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range maxEntries + 1 {
		put(t, f, fmt.Sprint("key ", i), "x")
	}
	for _, file := range foreign {
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
	wantGet(t, f, fmt.Sprint("key ", maxEntries), "x")
	files, err := os.ReadDir(path)
	if foreign = slices.Compact(slices.Sorted(slices.Values(foreign))); err != nil || len(files) != len(foreign)+maxEntries {
		t.Errorf("%d files, %d of them foreign, error %v", len(files), len(foreign), err)
	}
}

// Entries of another version are known as ours, and go when they are old.
func TestOtherVersionsGo(t *testing.T) {
	f, path := folder(t)
	put(t, f, "key", "x")
	other, old := entryPath(t, path, "other"), time.Now().Add(-48*time.Hour)
	if err := errors.Join(os.WriteFile(other, []byte(magic+"0\n..."), 0o600), os.Chtimes(other, old, old)); err != nil {
		t.Fatal(err)
	}
	for i := range maxEntries {
		put(t, f, fmt.Sprint("key ", i), "x")
	}
	if _, err := os.Stat(other); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func FuzzUnwrap(f *testing.F) {
	f.Add(wrap([]byte("data")))
	f.Add([]byte(header))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, entry []byte) {
		data, err := unwrap(entry)
		if err == nil && !bytes.Equal(wrap(data), entry) {
			t.Errorf("%q is taken for an entry of %q", entry, data)
		}
	})
}

func TestDefault(t *testing.T) {
	needRoot(t)
	if path := Default().Path(); path != systemFolder {
		t.Errorf("root's is %q", path)
	}
}
