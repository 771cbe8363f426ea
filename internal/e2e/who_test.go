package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Who logged in shows whatever the process runs as, and the group.
func TestLoginAndGroup(t *testing.T) {
	if _, err := os.Stat("/proc/self/loginuid"); err != nil {
		t.Skipf("NOT TESTED: this kernel keeps no login: %v", err)
	}
	const script = `echo 4321 >/proc/self/loginuid && exec setpriv --regid 7 --reuid 9 --clear-groups "$0" flood 1 "$1"`
	for _, flags := range [][]string{{"--login", "4321", "--gid", "7"}, {"--login", "4321,1"}, {"--gid", "1,7"}} {
		flags = append(flags, "-o", "json", "--columns", "gid,login,uid", "--path", floodFile)
		tr := startBare(t, flags...)
		open(t, "flood", "2", floodFile) // by this process's group, and without a login of 4321
		cmd := exec.Command("sh", "-c", script, opener, floodFile)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var rows []string
		for _, line := range tr.rest() {
			var row struct {
				GID, UID uint32
				Login    string
				LoginUID *uint32 `json:"login_uid"`
			}
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			rows = append(rows, fmt.Sprintln(row.GID, row.UID, row.Login, *row.LoginUID))
		}
		if len(rows) != 1 || rows[0] != "7 9 4321 4321\n" {
			t.Errorf("%v: rows of %q", flags, rows)
		}
	}
	tr := startBare(t, "-p", "1,"+fmt.Sprint(os.Getpid()), "--columns", "login,file", "--path", "/proc/self/loginuid")
	text, err := os.ReadFile("/proc/self/loginuid")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimSpace(string(text))
	if want == "4294967295" {
		want = "-"
	}
	tr.line() // the header
	if got := strings.Fields(tr.line()); len(got) != 2 || got[1] != "/proc/self/loginuid" || want == "-" && got[0] != "-" {
		t.Errorf("row %q, want one of the login %s", got, want)
	}
	tr.stop(interrupt)
}

// Opens through io_uring are of the process that asks for them, whichever thread of the kernel submits
// and does them.
func TestWhoAsksIOUring(t *testing.T) {
	if !atLeast(t, 6, 0) {
		t.Skip("NOT TESTED: opens through io_uring show since Linux 6.0")
	}
	const script = `echo 4321 >/proc/self/loginuid; setpriv --regid 7 --clear-groups "$0" "$1" "$2"; true`
	for how, comm := range map[string]string{"uring": openerComm, "uring-polled": "iou-sqp-"} {
		dir := t.TempDir()
		tr := startBare(t, "-o", "json", "--columns", "tid,ppid,gid,login,ancestors,process,file", "--path", dir+"/**", "--under", "asker")
		cmd := exec.Command("sh", "-c", "printf asker >/proc/$$/comm; "+script, opener, how, dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		lines := tr.rest()
		for _, line := range lines {
			for _, part := range []string{
				`"comm":"` + comm,
				fmt.Sprintf(`"ppid":%d,`, cmd.Process.Pid), `"gid":7,`, `"login_uid":4321,`, `"process":"` + openerComm + `"`,
				fmt.Sprintf(`{"pid":%d,"comm":"asker"},{"pid":`, cmd.Process.Pid), `"comm":"` + openerComm + `"}]`,
			} {
				if !strings.Contains(line, part) {
					t.Errorf("%s: %s has no %s", how, line, part)
				}
			}
		}
		if len(lines) != 3 {
			t.Errorf("%s: rows %q, want 3", how, lines)
		}
	}
}
