package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpenOver(t *testing.T) {
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
		file, err := openOver(path)
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
	if err := os.Lchown(at("link"), 4321, 0); err != nil {
		t.Fatal(err)
	}
	over(at("link"), "is a symbolic link of the user 4321")
	if err := os.Chown(make("callers", "mine"), 1234, 0); err != nil {
		t.Fatal(err)
	}
	over(at("callers"), "")
}
