package limit

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCheckFiles(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < filesBesides+2 {
		t.Skipf("*** DID NOT RUN: the limit of open files is %d", limit.Cur)
	}
	if err := CheckFiles(1); err != nil {
		t.Error(err)
	}
	if err := CheckFiles(int(limit.Cur)); err == nil || !strings.Contains(err.Error(), "ulimit -n") {
		t.Errorf("error %v", err)
	}
}

// One line in place of the runtime's account.
func TestAddressSpace(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("/bin/sh", "-c", `ulimit -v 500000 && exec "$0" -test.run '^$'`, program).CombinedOutput()
	if err == nil || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), "ulimit -v") {
		t.Errorf("error %v, it said %q", err, out)
	}
}
