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
