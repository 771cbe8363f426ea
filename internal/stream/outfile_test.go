package stream

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOver(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	make := func(name, text string) string {
		t.Helper()
		if err := os.WriteFile(at(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	over := func(path, want string) {
		t.Helper()
		file, err := ReplaceFile(path)
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want %q", path, err, want)
			}
			return
		}
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		defer file.Close()
		if _, err := file.WriteString("new"); err != nil {
			t.Error(err)
		}
		if text, err := os.ReadFile(path); string(text) != "new" {
			t.Errorf("%s holds %q, %v", path, text, err)
		}
	}
	over(at("fresh"), "")
	over(make("old", "older and longer"), "")
	make("target", "older and longer")
	if err := os.Symlink("target", at("link")); err != nil {
		t.Fatal(err)
	}
	over(at("link"), "")
	if err := unix.Mkfifo(at("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	over(at("fifo"), "is a FIFO that nobody reads")
	if err := unix.Mknod(at("socket"), unix.S_IFSOCK|0o600, 0); err != nil {
		t.Fatal(err)
	}
	over(at("socket"), "is a socket")
	if err := os.Link(make("linked", "theirs"), at("other-name")); err != nil {
		t.Fatal(err)
	}
	over(at("linked"), "has 2 names")
	if text, _ := os.ReadFile(at("linked")); string(text) != "theirs" {
		t.Errorf("a file with two names now holds %q", text)
	}
	over(at("no/folder"), "no such file")
	if os.Geteuid() != 0 {
		return
	}
	t.Setenv("SUDO_UID", "1234")
	if err := os.Chown(make("foreign", "theirs"), 4321, 0); err != nil {
		t.Fatal(err)
	}
	over(at("foreign"), "belongs to the user 4321")
	if text, _ := os.ReadFile(at("foreign")); string(text) != "theirs" {
		t.Errorf("a file of another user's now holds %q", text)
	}
	reader, err := os.OpenFile(at("fifo"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := os.Chown(at("fifo"), 4321, 0); err != nil {
		t.Fatal(err)
	}
	over(at("fifo"), "belongs to the user 4321")
	if err := os.Lchown(at("link"), 4321, 0); err != nil {
		t.Fatal(err)
	}
	over(at("link"), "is a symbolic link of the user 4321")
	if err := os.Chown(make("callers", "mine"), 1234, 0); err != nil {
		t.Fatal(err)
	}
	over(at("callers"), "")
}

// A terminal that is not there is not said to be a FIFO.
func TestNoDevice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "device")
	// Of the major number 240, for local use, there is no driver.
	if err := unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(240, 0))); err != nil {
		t.Skipf("*** DID NOT RUN: making a device: %v", err)
	}
	if _, err := ReplaceFile(path); err == nil || !strings.Contains(err.Error(), "no terminal or other device behind it") {
		t.Errorf("error %v", err)
	}
}

// What is written behind a truncation begins where the file ends then.
func TestTruncatedMeanwhile(t *testing.T) {
	for name, open := range map[string]func(string) (*os.File, error){"created": CreateFile, "over": ReplaceFile} {
		path := filepath.Join(t.TempDir(), name)
		file, err := open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for i, err := range []error{
			second(file.WriteString("many rows\n")), os.Truncate(path, 0), second(file.WriteString("one\n")),
		} {
			if err != nil {
				t.Errorf("step %d: %v", i, err)
			}
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "one\n" {
			t.Errorf("%s: it holds %q, %v", name, text, err)
		}
		if st, err := os.Stat(path); err != nil || st.Mode() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, st.Mode(), err)
		}
	}
}

func second(_ int, err error) error { return err }

// A new file is the user's who called sudo; one that is there stays whose it is.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: it takes root")
	}
	t.Setenv("SUDO_UID", "1234")
	t.Setenv("SUDO_GID", "1235")
	dir := t.TempDir()
	owner := func(open func(string) (*os.File, error), name string) (uid, gid uint32) {
		t.Helper()
		file, err := open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		var st unix.Stat_t
		if err := unix.Fstat(int(file.Fd()), &st); err != nil {
			t.Fatal(err)
		}
		if st.Mode&0o777 != 0o600 {
			t.Errorf("%s has the mode %o", name, st.Mode)
		}
		return st.Uid, st.Gid
	}
	for name, open := range map[string]func(string) (*os.File, error){"created": CreateFile, "over": ReplaceFile} {
		if uid, gid := owner(open, name); uid != 1234 || gid != 1235 {
			t.Errorf("%s belongs to %d, group %d", name, uid, gid)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "roots"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if uid, gid := owner(ReplaceFile, "roots"); uid != 0 || gid != 0 {
		t.Errorf("root's file belongs to %d, group %d", uid, gid)
	}
	t.Setenv("SUDO_UID", "x")
	if uid, _ := owner(CreateFile, "odd"); uid != 0 {
		t.Errorf("without a caller it belongs to %d", uid)
	}
}
