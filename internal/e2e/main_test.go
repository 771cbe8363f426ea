package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Programs under test and their callers.
var (
	opensnoop = program("opensnoop")
	open32    = program("open32")

	// The opener has a name of its own here, by which it is told from those of other suites: its
	// comm is openerComm.
	opener     string
	openerComm = fmt.Sprint("opener-", os.Getpid())

	// A folder with copies of programs that every user may run: this one may lie below one of
	// root's own.
	public string
)

func program(name string) string {
	path, err := filepath.Abs(filepath.Join("../../bin", name))
	if err != nil {
		panic(err)
	}
	return path
}

// copyProgram puts a copy of a program there.
func copyProgram(name, path string) error {
	text, err := os.ReadFile(program(name))
	return errors.Join(err, os.WriteFile(path, text, 0o755))
}

// publicProgram returns a program that every user may run.
func publicProgram(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(public, name)
	if _, err := os.Stat(path); err != nil {
		if err := copyProgram(name, path); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestMain(m *testing.M) {
	isolate()
	unix.Umask(0o022) // other users run what is made here
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		panic(err)
	}
	where := "on this machine"
	if os.Getenv("OPENSNOOP_GUEST") != "" {
		where = "in a guest"
	}
	resetIgnoredSignals()
	fmt.Printf("=== end-to-end suite %s, Linux %s\n", where, unix.ByteSliceToString(uts.Release[:]))
	os.Exit(run(m))
}

// run runs the tests, if there is anything to be tested here, and returns the exit status.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("/tmp", "e2e-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		panic(err)
	}
	public, opener = dir, filepath.Join(dir, openerComm)
	if why := cannotTrace(); why != "" {
		fmt.Printf("\n*** THE END-TO-END SUITE DID NOT RUN: %s\n\n", why)
		if os.Getenv("OPENSNOOP_E2E") == "require" {
			return 1
		}
		return 0
	}
	return m.Run()
}

// cannotTrace says why nothing can be tested here, by the tool's own words.
func cannotTrace() string {
	_, err := os.Stat(opensnoop)
	if err := errors.Join(err, copyProgram("opener", opener)); err != nil {
		return fmt.Sprintf("%v; make builds it", err)
	}
	out, err := exec.Command(opensnoop, "-d", "0.1").CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v: %s", err, strings.TrimSpace(string(out)))
	}
	return ""
}

// notInGuests skips a test of what is the same with every kernel, and takes minutes in a guest.
func notInGuests(t *testing.T) {
	t.Helper()
	if os.Getenv("OPENSNOOP_GUEST") != "" {
		t.Skip("NOT TESTED: no kernel makes a difference to it, and the host's suite has it")
	}
}

// kprobes tells whether this kernel has kprobes, and so which probe is right.
func kprobes() bool {
	_, err := os.Stat("/sys/bus/event_source/devices/kprobe")
	return err == nil
}
