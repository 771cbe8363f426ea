package stream

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Old files go up by one, the oldest goes, and the new one is its owner's alone.
func TestRotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows")
	for _, text := range []string{"a", "b", "c", "d"} {
		file, err := Rotate(path, 2)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if st, err := file.Stat(); err != nil || st.Mode() != 0o600 {
			t.Errorf("mode %v, %v", st.Mode(), err)
		}
		file.Close()
	}
	for name, want := range map[string]string{path: "d", path + ".1": "c", path + ".2": "b"} {
		if text, err := os.ReadFile(name); string(text) != want {
			t.Errorf("%s holds %q, %v, want %q", name, text, err, want)
		}
	}
	if _, err := os.Lstat(path + ".3"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("more than two old files: %v", err)
	}
}

// What stands in the way is told, and nothing is renamed then.
func TestRotateInTheWay(t *testing.T) {
	for name, test := range map[string]struct {
		put  func(path string) error
		want string
	}{
		"folder":  {func(path string) error { return os.Mkdir(path, 0o700) }, "is a folder"},
		"link":    {func(path string) error { return os.Symlink("/etc/passwd", path) }, "is a link"},
		"fifo":    {func(path string) error { return unix.Mkfifo(path, 0o600) }, "is a link or a device"},
		"another": {anothers, "belongs to the user 4321"},
	} {
		for _, suffix := range []string{"", ".1", ".2"} {
			if name == "another" && os.Geteuid() != 0 {
				continue
			}
			path := filepath.Join(t.TempDir(), "rows")
			for _, old := range []string{"", ".1", ".2"} {
				if err := os.WriteFile(path+old, []byte(old), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(os.Remove(path+suffix), test.put(path+suffix)); err != nil {
				t.Fatal(err)
			}
			if _, err := Rotate(path, 2); err == nil || !strings.Contains(err.Error(), path+suffix+" "+test.want) {
				t.Errorf("%s at %q: error %v", name, suffix, err)
			}
			for _, old := range []string{"", ".1", ".2"} {
				if old == suffix {
					continue
				}
				if text, err := os.ReadFile(path + old); string(text) != old {
					t.Errorf("%s at %q: %s holds %q, %v", name, suffix, path+old, text, err)
				}
			}
		}
	}
}

func anothers(path string) error {
	return errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, 4321, 0))
}
