package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// giveHeaders puts the running kernel's headers where bcc's tools look for them,
// and takes them away again.
func giveHeaders(t *testing.T) {
	t.Helper()
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		t.Fatal(err)
	}
	release := unix.ByteSliceToString(uts.Release[:])
	found, err := filepath.Glob("../../.cache/headers/*/lib/modules/" + release + "/build")
	if err != nil || len(found) != 1 {
		t.Fatalf("no headers of %s in .cache/headers, %v; make deps-test fetches them", release, err)
	}
	modules := filepath.Join("/lib/modules", release)
	if _, err := os.Stat(modules); err == nil {
		t.Fatalf("%s is there: this is for guests", modules)
	}
	if err := os.MkdirAll(modules, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(modules) })
	folder, err := filepath.Abs(strings.TrimSuffix(found[0], "lib/modules/"+release+"/build"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"build", "source"} {
		// The packages' links are right once their folder is the root.
		target, err := os.Readlink(filepath.Join(folder, "lib/modules", release, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(folder, target), filepath.Join(modules, name)); err != nil {
			t.Fatal(err)
		}
	}
}

var bccTime = regexp.MustCompile(`^\d+\.\d{9} +`)

// The same opens, by bcc's own tool and by our layout of its rows. It is not for
// this machine's kernel, which has no kprobes and no headers: there golden files
// hold the layout.
func TestBCCLayoutIsTheToolsOwn(t *testing.T) {
	if !kprobes() {
		return
	}
	giveHeaders(t)
	for _, flags := range [][]string{{"-T", "-U", "-e", "-n", "opener"}, {"-x", "-n", "opener"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			dir := t.TempDir()
			herd := prepare(t, someOpens(t, dir)...)
			cmd := exec.Command("opensnoop-bpfcc", flags...)
			cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1") // else its header comes late
			theirs := launch(t, cmd)
			ours := launch(t, exec.Command(opensnoop, append([]string{"-v", "--layout", "bcc"}, flags...)...))
			ours.ready()
			// Its header comes before it traces. Now and then an open shows whether it
			// does; more of them would take the CPU from its compiler.
			var next time.Time
			eventually(t, "the rows of bcc's opensnoop", func() bool {
				if ended(theirs.cmd.Process.Pid) {
					t.Fatalf("bcc's opensnoop ended: %s", theirs.stderr)
				}
				if time.Now().After(next) {
					open(t, "names", "/no/sign")
					next = time.Now().Add(time.Second)
				}
				return len(theirs.lines) > 1
			})
			herd.begin()
			if status := wait(t, herd.cmd); status != 0 {
				t.Fatalf("opener ended with status %d", status)
			}
			want := ofProcess(theirs.rest(), herd.pid())
			got := ofProcess(ours.rest(), herd.pid())
			if !slices.Equal(got, want) || len(want) < 3 {
				t.Errorf("our rows are\n%s\nbcc's are\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// ended tells whether a child of ours has ended.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// ofProcess returns the header and a process's rows. The time is each tool's own.
func ofProcess(lines []string, pid int) []string {
	var own []string
	for i, line := range lines {
		if i == 0 || slices.Contains(strings.Fields(line), strconv.Itoa(pid)) {
			own = append(own, bccTime.ReplaceAllStringFunc(line, func(time string) string {
				return fmt.Sprintf("(%d characters of time) ", len(time))
			}))
		}
	}
	return own
}
