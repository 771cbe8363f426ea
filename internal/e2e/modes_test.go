package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Tests of kernels that tell less than usual, in any guest.

// Without the kernel's types, default columns do without them, and what needs them says so.
func TestModesWithoutTypes(t *testing.T) {
	hidden := func(args ...string) *exec.Cmd {
		return exec.Command("unshare", append([]string{"-m", "sh", "-c", `mount -t tmpfs none /sys/kernel/btf && exec "$0" "$@"`, opensnoop}, args...)...)
	}
	tr := startCommand(t, hidden())
	wantFiles(t, tr.rowsOf(open(t, "names", "/without-types")), "/without-types")
	tr.stop(interrupt)
	json := launch(t, hidden("-v", "-o", "json", "--columns", "pid,fd,err,flags,file"))
	json.ready()
	pid := open(t, "names", "/without-types")
	if rows := objects(t, json.rest(), pid); len(rows) != 2 || rows[0].File == nil || *rows[0].File != "/without-types" {
		t.Errorf("rows %+v", rows)
	}
	wantError(t, runToEnd(t, hidden("-F", "-d", "0.1")), 1, "CONFIG_DEBUG_INFO_BTF")
	wantError(t, runToEnd(t, hidden("--probe", "fentry", "-d", "0.1")), 1, "fentry: ")
}

// Where /proc/kallsyms hides the addresses, all is as usual.
func TestModesWithoutAddresses(t *testing.T) {
	const file = "/proc/sys/kernel/kptr_restrict"
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, "2")
	t.Cleanup(func() { write(t, file, strings.TrimSpace(string(before))) })
	forEachProbe(t, func(t *testing.T, probe string) {
		tr := start(t, probe)
		wantFiles(t, tr.rowsOf(open(t, "names", "/without-addresses")), "/without-addresses")
	})
	r := runToEnd(t, exec.Command(opensnoop, "doctor"))
	if r.status != 0 {
		t.Errorf("doctor: status %d, %q", r.status, r.stdout)
	}
}
