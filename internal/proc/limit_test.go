package proc

import (
	"errors"
	"fmt"
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
func TestEarly(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []string{"ulimit -v 500000", "ulimit -d 100000", "ulimit -s 64"} {
		out, err := exec.Command("/bin/sh", "-c", limit+` && exec "$0" -test.run '^$'`, program).CombinedOutput()
		flag, _, _ := strings.Cut(strings.TrimPrefix(limit, "ulimit "), " ")
		if err == nil || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), "(ulimit "+flag+")") {
			t.Errorf("%s: error %v, it said %q", limit, err, out)
		}
	}
}

func TestRemedy(t *testing.T) {
	for err, want := range map[error]string{
		unix.EMFILE: "ulimit -n", unix.ENFILE: "fs.file-max", unix.ENOMEM: "ulimit -v", unix.EAGAIN: "ulimit -u", unix.EFBIG: "ulimit -f",
	} {
		if got := ExplainLimit(fmt.Errorf("starting: %w", err)); !errors.Is(got, err) || !strings.Contains(got.Error(), want) {
			t.Errorf("%v: %v", err, got)
		}
	}
	if ExplainLimit(unix.ENOENT) != error(unix.ENOENT) {
		t.Error("a file that is not there is no limit's fault")
	}
}
