package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long anything may take before a test fails. Guests are
// emulated, and slow.
const patience = 5 * time.Minute

// pollTime is how often a condition is looked at: seldom enough to leave an emulated
// CPU to what is waited for.
const pollTime = 5 * time.Millisecond

// Programs under test and their callers.
var (
	opensnoop = program("opensnoop")
	opener    = program("opener")
	open32    = program("open32")
)

func program(name string) string {
	path, err := filepath.Abs(filepath.Join("../../bin", name))
	if err != nil {
		panic(err)
	}
	return path
}

func TestMain(m *testing.M) {
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
	if why := cannotTrace(); why != "" {
		fmt.Printf("\n*** THE END-TO-END SUITE DID NOT RUN: %s\n\n", why)
		if os.Getenv("OPENSNOOP_E2E") == "require" {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// cannotTrace says why nothing can be tested here, by the tool's own words.
func cannotTrace() string {
	for _, path := range []string{opensnoop, opener} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Sprintf("%v; make builds it", err)
		}
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
