package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
)

const cacheFolder = "/var/cache/opensnoop"

// said runs opensnoop for a moment, with -v, and returns its exit status and what it
// said, less its rows.
func said(t *testing.T, args ...string) (status int, stderr string) {
	t.Helper()
	cmd := exec.Command(opensnoop, append([]string{"-v", "-d", "0.01"}, args...)...)
	var b strings.Builder
	cmd.Stderr = &b
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return wait(t, cmd), b.String()
}

// wantSaid checks that a run succeeds and says something.
func wantSaid(t *testing.T, want string, args ...string) {
	t.Helper()
	status, stderr := said(t, args...)
	if status != 0 || !strings.Contains(stderr, want) {
		t.Errorf("%v: status %d, and not %q but:\n%s", args, status, want, stderr)
	}
}

// entries are the compiled programs in the cache.
func entries(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(cacheFolder + "/*")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func emptyCache(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(cacheFolder); err != nil {
		t.Fatal(err)
	}
}

const (
	fromCache = "the BPF program was taken from the cache"
	compiled  = "the BPF program was compiled"
)

// What differs from run to run is not in the program.
func TestCompiledOnce(t *testing.T) {
	emptyCache(t)
	wantSaid(t, compiled)
	wantSaid(t, fromCache)
	wantSaid(t, compiled, "-p", "1")
	wantSaid(t, fromCache, "-p", fmt.Sprint(os.Getpid()))
	wantSaid(t, fromCache, "--no-follow", "--", "/bin/true")
	wantSaid(t, compiled, "--", "/bin/true")
	wantSaid(t, fromCache, "-p", fmt.Sprint(os.Getpid()), "--follow")
	wantSaid(t, compiled, "--no-cache")
	if n := len(entries(t)); n != 3 {
		t.Errorf("%d entries, want 3", n)
	}
}

// Whatever stands in the cache's place, opensnoop traces, says so, and puts right what
// is its own.
func TestBrokenCache(t *testing.T) {
	notInGuests(t)
	emptyCache(t)
	wantSaid(t, compiled)
	for _, entry := range entries(t) {
		if err := os.WriteFile(entry, []byte("opensnoop cache 1\nnonsense"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantSaid(t, compiled)
	wantSaid(t, fromCache)

	foreign := t.TempDir()
	for what, replace := range map[string]func() error{
		"writable by others": func() error { return os.Chmod(cacheFolder, 0o777) },
		"of another user":    func() error { return os.Chown(cacheFolder, 65534, 65534) },
		"a link": func() error {
			os.RemoveAll(cacheFolder)
			return os.Symlink(foreign, cacheFolder)
		},
		"a file": func() error {
			os.RemoveAll(cacheFolder)
			return os.WriteFile(cacheFolder, nil, 0o600)
		},
	} {
		if err := replace(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		status, stderr := said(t)
		if status != 0 || !strings.Contains(stderr, compiled) || !strings.Contains(stderr, cacheFolder) {
			t.Errorf("%s: status %d, stderr:\n%s", what, status, stderr)
		}
		if left, _ := os.ReadDir(foreign); len(left) > 0 {
			t.Errorf("%s: written into: %v", what, left)
		}
		emptyCache(t)
		wantSaid(t, compiled)
	}
}

func TestManyStartsAtOnce(t *testing.T) {
	notInGuests(t)
	emptyCache(t)
	const starts = 20
	var wg sync.WaitGroup
	for range starts {
		wg.Go(func() {
			out, err := exec.Command(opensnoop, "-d", "0.01").CombinedOutput()
			if err != nil {
				t.Errorf("%v:\n%s", err, out)
			}
		})
	}
	wg.Wait()
	if found := entries(t); len(found) != 1 {
		t.Errorf("entries %q, want one", found)
	}
	wantSaid(t, fromCache)
}

// hideLibbcc is a script that takes libbcc out of the sight of what comes behind it, in
// a mount namespace of its own.
const hideLibbcc = `
set -e
lib=$(dirname "$(readlink -f "$(ldconfig -p | sed -n 's/.*libbcc.so.0 .*=> //p' | head -1)")")
mount -t tmpfs none "$0"
mkdir "$0/upper" "$0/work"
mount -t overlay -o "lowerdir=$lib,upperdir=$0/upper,workdir=$0/work" none "$lib"
rm "$lib"/libbcc.so.0*
exec "$@"
`

func TestWithoutLibbcc(t *testing.T) {
	emptyCache(t)
	wantSaid(t, compiled)
	without := func(args ...string) (string, error) {
		cmd := exec.Command("/bin/sh", append([]string{"-c", hideLibbcc, t.TempDir()}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := without("/bin/true"); err != nil {
		t.Skipf("*** DID NOT RUN: libbcc cannot be hidden here: %v\n%s", err, out)
	}
	for _, args := range [][]string{{"-h"}, {"--version"}, {"doctor"}, {"-v", "-d", "0.01"}} {
		out, err := without(append([]string{opensnoop}, args...)...)
		if err != nil || args[0] == "-v" && !strings.Contains(out, fromCache) {
			t.Errorf("%v: error %v:\n%s", args, err, out)
		}
	}
	out, err := without(opensnoop, "--no-cache", "-d", "0.01")
	if err == nil || !strings.Contains(out, "libbpfcc") || strings.Count(out, "\n") > 2 {
		t.Errorf("a start that must compile: error %v:\n%s", err, out)
	}
}

func TestLinkedWithLibcOnly(t *testing.T) {
	out, err := exec.Command("readelf", "-d", opensnoop).Output()
	if err != nil {
		t.Skipf("*** DID NOT RUN: readelf: %v", err)
	}
	libc := regexp.MustCompile(`\[lib(c|pthread|dl|resolv)\.so\.\d\]`) // before glibc 2.34 they were four
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "(NEEDED)") && !libc.MatchString(line) {
			t.Errorf("it needs more than libc: %s", line)
		}
	}
}
