package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// kindRow is what a row tells of the file that was opened, and of the program.
type kindRow struct {
	File        string
	Exe         *string
	ExeKnown    string  `json:"exe_known"`
	Real        *string `json:"realpath"`
	RealKnown   string  `json:"realpath_known"`
	RealProblem string  `json:"realpath_problem"`
	Dev         string
	Inode       uint64
	StatDiffers bool `json:"stat_differs"`
	Created     bool
}

// kindRows returns the rows of a process of this test's own, by what it opened, and how many
// may have been lost.
func kindRows(t *testing.T, flags []string, opens func()) (rows map[string]kindRow, lost int) {
	t.Helper()
	tr := startBare(t, append(flags, "-o", "json", "--columns", "exe,realpath,dev,inode,created,file")...)
	opens()
	rows = make(map[string]kindRow)
	for _, line := range tr.rest() {
		var row kindRow
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		rows[row.File] = row
	}
	return rows, lostAtMost(t, tr.stderr.String())
}

// Namespaces have their names, and a file that O_TMPFILE makes is made.
func TestFilesWithoutPath(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		dir := "/dev/shm" // overlayfs has it since Linux 6.1
		rows, _ := kindRows(t, []string{probe, "--exe", "/**"}, func() {
			for _, name := range []string{"/proc/self/ns/mnt", "/proc/self/ns/pid", "/etc/hostname"} {
				if _, err := os.ReadFile(name); err != nil && !strings.Contains(name, "/ns/") {
					t.Error(err)
				}
			}
			fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)
			if err != nil {
				t.Errorf("O_TMPFILE: %v", err)
			}
			unix.Close(fd)
		})
		for _, kind := range []string{"mnt", "pid"} {
			name := "/proc/self/ns/" + kind
			want, err := os.Readlink(name)
			if got := rows[name]; err != nil || got.RealKnown != want || got.RealProblem != "nsfs" || got.Created {
				t.Errorf("%s: %+v, want %s, %v", name, got, want, err)
			}
		}
		if row := rows[dir]; !row.Created || row.StatDiffers {
			t.Errorf("O_TMPFILE: %+v", row)
		}
		if row := rows["/etc/hostname"]; row.Created || row.Real == nil {
			t.Errorf("a file: %+v", row)
		}
	})
}

// A program in a memfd has the name that it was made with.
func TestProgramInMemory(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		fd, err := unix.MemfdCreate("in memory", 0)
		if err != nil {
			t.Fatal(err)
		}
		file := os.NewFile(uintptr(fd), "memfd")
		defer file.Close()
		program, err := os.ReadFile(opener)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.Write(program); err != nil {
			t.Fatal(err)
		}
		rows, _ := kindRows(t, []string{probe, "--path", "/etc/passwd"}, func() {
			cmd := exec.Command("/proc/self/fd/3", "names", "/etc/passwd")
			cmd.ExtraFiles = []*os.File{file}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		})
		if row := rows["/etc/passwd"]; row.Exe != nil || row.ExeKnown != "memfd:in memory" {
			t.Errorf("the program is %+v", row)
		}
	})
}
