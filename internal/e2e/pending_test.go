package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// deepFolder makes folders within each other, so that their path is longer than that of this test by
// so many bytes, and lets anybody into them.
func deepFolder(t *testing.T, length int) string {
	t.Helper()
	top := t.TempDir()
	path := top
	for ; length > 0; length -= len(longFolder) + 1 {
		path = filepath.Join(path, longFolder)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{top, filepath.Dir(top)} {
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// Names that are not in memory yet wait with the paths of their folders, however long these are.
func TestLateNamesInDeepFolders(t *testing.T) {
	const opens = 200
	forEachProbe(t, func(t *testing.T, probe string) {
		for _, length := range []int{300, 1500, 3000} {
			folder := deepFolder(t, length)
			for _, columns := range []string{pathColumns, pathColumns + ",fd", "pid,comm,path,exe,file"} {
				tr := startBare(t, probe, "-n", openerComm, "-b", "1024", "-o", "json", "--columns", columns)
				caller := exec.Command(opener, "unfaulted", strconv.Itoa(opens), "late")
				caller.Dir = folder
				if r := runToEnd(t, caller); r.status != 0 {
					t.Fatal(r.stderr)
				}
				rows, next := 0, 0
				for _, line := range tr.rest() {
					o := decodePathed(t, line)
					if o.PID != caller.Process.Pid {
						continue
					}
					rows++
					if bytesOf(t, o.File, nil) == end {
						continue
					}
					name, ok := strings.CutPrefix(bytesOf(t, o.Path, nil), folder+"/late-")
					if n, err := strconv.Atoi(name); !ok || err != nil || n < next || n >= opens {
						t.Fatalf("%s, %d deep: after %d, %s; said %s", columns, length, next, line, tr.stderr)
					} else {
						next = n + 1
					}
				}
				if lost := lostAtMost(t, tr.stderr.String()); rows+lost != opens+1 || strings.Contains(tr.stderr.String(), "under way") {
					t.Errorf("%s, %d deep: %d rows and %d lost of %d opens: %s", columns, length, rows, lost, opens, tr.stderr)
				}
			}
		}
	})
}

// Whoever has many long names waiting keeps nobody else's from it, and it is told that not all of
// theirs could.
func TestLongNamesOfOneUser(t *testing.T) {
	const blocked, share = 300, 64
	forEachProbe(t, func(t *testing.T, probe string) {
		folder := deepFolder(t, 1100)
		fifo := filepath.Join(folder, "fifo")
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		tr := startBare(t, probe, "-n", openerComm, "-o", "json", "--columns", "pid,fd,err,file")
		herd := prepare(t, "blocked", strconv.Itoa(blocked), fifo)
		herd.begin()
		eventually(t, "the blocked calls", func() bool { return inCall(t, herd.pid()) == blocked })
		other := exec.Command(opener, "names", fifo, folder+"/none")
		other.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if r := runToEnd(t, other); r.status != 0 {
			t.Fatal(r.stderr)
		}
		lines, rows := tr.rest(), -1 // less the other's own
		var got []string
		for _, o := range objects(t, lines, other.Process.Pid) {
			got = append(got, o.nameAndResult())
		}
		wantRows(t, got, fifo+" EACCES", folder+"/none ENOENT", end+" ENOENT")
		for _, line := range lines {
			if strings.Contains(line, `"`+fifo+`"`) {
				rows++
			}
		}
		said := tr.stderr.String()
		if lost := lostAtMost(t, said); rows+lost != blocked || !strings.Contains(said, fmt.Sprintf("%d opens in all show without", blocked-share)) {
			t.Errorf("%d rows and %d lost of %d calls, said %s", rows, lost, blocked, said)
		}
	})
}
