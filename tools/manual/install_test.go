package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The texts of make help have no variables in them, and stand in a column.
func TestMakeHelp(t *testing.T) {
	out, err := exec.Command("make", "--no-print-directory", "-C", "../..", "help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if len(line) < 25 || line[:5] != "make " || line[23] != ' ' || line[24] == ' ' || strings.Contains(line, "$") {
			t.Errorf("odd: %q", line)
		}
	}
}

// The program is the one in bin, which make test builds before. Nothing is built.
func TestMakeInstall(t *testing.T) {
	if out, err := exec.Command("make", "-C", "../..", "-o", "build", "share").CombinedOutput(); err != nil {
		t.Fatalf("make share: %v, %s", err, out)
	}
	for _, prefix := range []string{"/usr/local", "/opt/open snoop"} {
		dest := filepath.Join(t.TempDir(), "a folder")
		if err := os.Mkdir(dest, 0o755); err != nil {
			t.Fatal(err)
		}
		run := func(goal string) {
			t.Helper()
			cmd := exec.Command("make", "-C", "../..", goal, "DESTDIR="+dest, "PREFIX="+prefix, "GO=false")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("make %s: %v, %s", goal, err, out)
			}
		}
		run("install")
		want := []string{
			prefix + "/bin/opensnoop",
			prefix + "/share/bash-completion/completions/opensnoop",
			prefix + "/share/fish/vendor_completions.d/opensnoop.fish",
			prefix + "/share/man/man8/opensnoop.8",
			prefix + "/share/zsh/site-functions/_opensnoop",
		}
		if got := filesOf(t, dest); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		if out, err := exec.Command(filepath.Join(dest, want[0]), "--version").CombinedOutput(); err != nil {
			t.Errorf("%v, %s", err, out)
		}
		// What another put there stays.
		other := filepath.Join(dest, prefix, "share/man/other")
		if err := os.WriteFile(other, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		run("uninstall")
		if got := filesOf(t, dest); !slices.Equal(got, []string{prefix + "/share/man/other"}) {
			t.Errorf("left after make uninstall: %q", got)
		}
		if err := os.Remove(other); err != nil {
			t.Fatal(err)
		}
		run("install")
		compiled := filepath.Join(dest, "var/cache/opensnoop/objects")
		if err := os.MkdirAll(compiled, 0o755); err != nil {
			t.Fatal(err)
		}
		run("uninstall")
		if got := filesOf(t, dest); len(got) > 0 {
			t.Errorf("left after make uninstall: %q", got)
		}
		if entries, err := os.ReadDir(dest); err != nil || len(entries) > 0 {
			t.Errorf("folders are left after make uninstall: %v, %v", entries, err)
		}
	}
}

// filesOf lists what is below a folder.
func filesOf(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, strings.TrimPrefix(path, dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
