package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// asUser returns a command that runs opensnoop as an ordinary user.
func asUser(args ...string) *exec.Cmd {
	return exec.Command("setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", opensnoop}, args...)...)
}

// usersFolder makes a folder for temporary files of that user.
func usersFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A folder of the user's that is named like ours stays, and what is in it.
func TestDoctorRemovesNothing(t *testing.T) {
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	dir := usersFolder(t)
	file := filepath.Join(dir, fmt.Sprintf("opensnoop-%d-x", gone.Process.Pid), "notes")
	cmd := asUser("doctor")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "HOME="+dir)
	script := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", `mkdir "${0%/*}" && echo mine >"$0"`, file)
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if r := runToEnd(t, cmd); r.status > 1 || !strings.Contains(r.stdout, "libbcc") {
		t.Errorf("status %d, %q, stderr %q", r.status, r.stdout, r.stderr)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine\n" {
		t.Errorf("the user's file holds %q, %v", text, err)
	}
}

// Starts that do not see each other's processes, as in containers that share /run, do not take
// each other for killed.
func TestStartsInOtherPidNamespaces(t *testing.T) {
	notInGuests(t)
	const starts = 12
	var wg sync.WaitGroup
	for i := range starts {
		wg.Go(func() {
			// Each has a number that the other namespaces have not.
			script := `for i in $(seq $1); do (:); done; "$0" --no-cache -d 0.01 & wait $!`
			out, err := exec.Command("unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", script, opensnoop, fmt.Sprint(10*i)).CombinedOutput()
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
}
