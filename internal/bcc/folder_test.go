package bcc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// makeFolder makes a source folder of a process at a place.
func makeFolder(t *testing.T, place string, pid int) *sourceFolder {
	t.Helper()
	f := &sourceFolder{path: filepath.Join(place, fmt.Sprintf("opensnoop-%d-1", pid))}
	if err := errors.Join(os.Mkdir(f.path, 0o700), f.fill()); err != nil {
		t.Fatal(err)
	}
	return f
}

// Of the folders of processes that are not there only those are removed that are ours, and
// that no other start uses: it may be in another pid namespace.
func TestFoldersOfTheKilledAreRemoved(t *testing.T) {
	var gone []int // numbers of processes that have ended
	for range 7 {
		cmd := exec.Command("/bin/true")
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		gone = append(gone, cmd.Process.Pid)
	}
	place := t.TempDir()
	left := makeFolder(t, place, gone[0])
	left.lock.Close()
	used := makeFolder(t, place, gone[1])
	defer used.remove()
	mixed := makeFolder(t, place, gone[2])
	mixed.lock.Close()
	open := makeFolder(t, place, gone[3])
	open.lock.Close()
	users := fmt.Sprintf("%s/opensnoop-%d-x", place, gone[4])
	other := fmt.Sprintf("%s/opensnoop-%d-1", place, gone[5])
	link := fmt.Sprintf("%s/opensnoop-%d-1", place, gone[6])
	for _, err := range []error{
		os.WriteFile(filepath.Join(mixed.path, "notes"), nil, 0o600),
		os.Chmod(open.path, 0o777),
		os.WriteFile(users, nil, 0o600),
		os.MkdirAll(filepath.Join(other, filepath.Dir(configFile)), 0o755),
		os.WriteFile(filepath.Join(other, configFile), []byte("/* mine */\n"), 0o600),
		os.Symlink(left.path, link),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	removeLeft(place)
	found, _ := filepath.Glob(place + "/*")
	want := []string{used.path, mixed.path, open.path, users, other, link}
	slices.Sort(want)
	if slices.Sort(found); !slices.Equal(found, want) {
		t.Errorf("left:\n%q, want\n%q", found, want)
	}
	for _, path := range []string{filepath.Join(used.path, configFile), filepath.Join(mixed.path, "notes"), filepath.Join(other, configFile)} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}
