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
	tr.wantOpens([]string{"/without-types"}, "names", "/without-types")
	tr.stop(interrupt)
	w := prepare(t, "names", "/without-types")
	json := launch(t, hidden("-v", "-o", "json", "-p", w.arg(), "--columns", "pid,fd,err,flags,file"))
	json.ready()
	w.run()
	if rows := objects(t, json.rest(), w.pid()); len(rows) != 2 || rows[0].File == nil || *rows[0].File != "/without-types" {
		t.Errorf("rows %+v", rows)
	}
	for _, filter := range [][]string{{"--path", "/without-types", "--path", end}, {"--exclude-path", "/proc/**"}} {
		filtered := startCommand(t, hidden(filter...))
		filtered.wantOpens([]string{"/without-types"}, "names", "/without-types")
		filtered.stop(interrupt)
	}
	wantError(t, runToEnd(t, hidden("-F", "-d", "0.1")), 1, "CONFIG_DEBUG_INFO_BTF")
	wantError(t, runToEnd(t, hidden("-p", "1", "--follow", "-d", "0.1")), 1, "what processes start cannot be followed", "CONFIG_DEBUG_INFO_BTF")
	wantError(t, runToEnd(t, hidden("--probe", "fentry", "-d", "0.1")), 1, "fentry: ")
}

// Where /proc/kallsyms hides the addresses, all is as usual.
func TestModesWithoutAddresses(t *testing.T) {
	sysctl(t, "/proc/sys/kernel/kptr_restrict", "2")
	forEachProbe(t, func(t *testing.T, probe string) {
		tr := start(t, probe)
		tr.wantOpens([]string{"/without-addresses"}, "names", "/without-addresses")
	})
	r := runToEnd(t, exec.Command(opensnoop, "doctor"))
	if r.status != 0 {
		t.Errorf("doctor: status %d, %q", r.status, r.stdout)
	}
}

// Where the kernel interprets programs, those that go on with another one have the stack for it:
// without, Linux 6.9 and later go down.
func TestModesInterpreted(t *testing.T) {
	const file = "/proc/sys/net/core/bpf_jit_enable"
	if os.Getenv("OPENSNOOP_GUEST") == "" {
		t.Skip("NOT TESTED: it is for guests, as it would take down a machine")
	}
	if now, err := os.ReadFile(file); os.Getenv("OPENSNOOP_JIT") == "off" && string(now) != "0\n" {
		t.Fatalf("the JIT is not off: %q, %v", now, err)
	}
	sysctl(t, file, "0")
	dir := t.TempDir()
	if err := os.Symlink("file", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/file", "")
	forEachProbe(t, func(t *testing.T, probe string) {
		tr := launch(t, exec.Command(opensnoop, "-v", probe, "--execs", "-o", "json", "--columns", "path,realpath,exe,fd,err,args,pid"))
		tr.ready()
		const opens = 20
		for range opens {
			open(t, "names", dir+"/link")
		}
		right := 0
		for _, line := range tr.rest() {
			o := decodePathed(t, line)
			if bytesOf(t, o.Path, o.PathExact) == dir+"/link" && bytesOf(t, o.Real, o.RealExact) == dir+"/file" && bytesOf(t, o.Exe, nil) == opener {
				right++
			}
		}
		if right != opens {
			t.Errorf("%d of %d opens are right", right, opens)
		}
	})
	got := examine(t, 0, exec.Command(opensnoop, "doctor", "-o", "json"))
	if status, text := got.check(t, "JIT"); status != "warn" || !strings.Contains(text, "bpf_jit_enable=1") {
		t.Errorf("doctor: JIT %s %q", status, text)
	}
}

// sysctl sets what a file below /proc/sys has, for the time of a test.
func sysctl(t *testing.T, file, value string) {
	t.Helper()
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, value)
	t.Cleanup(func() { write(t, file, strings.TrimSpace(string(before))) })
}
