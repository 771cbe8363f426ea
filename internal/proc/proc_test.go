package proc

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestRead(t *testing.T) {
	for text, want := range map[string]Process{
		"7 (cat) R 1 2 3 0 -1":             {PID: 7, Comm: []byte("cat"), Parent: 1, Group: 2, Session: 3},
		"7 (a) Z (b)) S 4 5 6 0":           {PID: 7, Comm: []byte("a) Z (b)"), Parent: 4, Group: 5, Session: 6},
		"7 (new\nline) Z 4 5 6 0":          {PID: 7, Comm: []byte("new\nline"), Parent: 4, Group: 5, Session: 6, Ended: true},
		"7 () X 4294967295 0 4294967295 0": {PID: 7, Comm: []byte{}, Parent: 1<<32 - 1, Session: 1<<32 - 1, Ended: true},
	} {
		root := t.TempDir()
		write(t, filepath.Join(root, "7/stat"), text)
		if got, err := Read(root, 7); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "7 cat R 1 2 3", ")(", "7 (cat) R 1", "7 (cat) R x 2 3"} {
		root := t.TempDir()
		write(t, filepath.Join(root, "7/stat"), text)
		if got, err := Read(root, 7); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
	if _, err := Read(t.TempDir(), 7); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}

func TestAllHasUs(t *testing.T) {
	all, err := All(Root)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.PID == uint32(os.Getpid()) {
			if p.Parent != uint32(os.Getppid()) || p.Ended {
				t.Errorf("we are %+v", p)
			}
			return
		}
	}
	t.Error("we are not there")
}

func TestThreadGroup(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "7/status"), "Name:\tTgid: 9\nTgid:\t5\nPid:\t7\n")
	if got, err := ThreadGroup(root, 7); err != nil || got != 5 {
		t.Errorf("%d, %v", got, err)
	}
	if _, err := ThreadGroup(root, 8); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
