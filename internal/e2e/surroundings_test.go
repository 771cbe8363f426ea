package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// isolate goes on in a mount namespace of the suite's own, where no other opensnoop of this machine
// uses the cache, and whatever a test mounts is gone with it. What is traced gets no descriptors
// but those of the tests.
func isolate() {
	const done = "OPENSNOOP_E2E_ISOLATED"
	if os.Getenv(done) == "" {
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
				unix.Mount("tmpfs", filepath.Dir(cacheFolder), "tmpfs", 0, "mode=755"))
		}
		if err != nil {
			fmt.Printf("*** the suite shares this machine's cache: %v\n", err)
		}
		os.Setenv(done, "1")
		panic(unix.Exec("/proc/self/exe", os.Args, os.Environ()))
	}
	os.Unsetenv(done)
	inherited, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	for _, entry := range inherited {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

// resetIgnoredSignals lets what the suite starts have the signals that whoever
// started the suite had ignored, as nohup and a shell's & do: they would be ignored
// there too. A signal that is caught is not ignored, and no program inherits that.
func resetIgnoredSignals() {
	for _, sig := range []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
			fmt.Printf("*** the suite was started with %q ignored; its programs are not\n", sig)
		}
	}
}

// need32BitCalls skips a test where the kernel takes no system calls of 32-bit
// programs: it is built without CONFIG_IA32_EMULATION, or ia32_emulation=0 switched
// that off. An int $0x80 kills its caller there.
func need32BitCalls(t *testing.T) {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("*** DID NOT RUN: only on x86-64 do 64-bit programs make 32-bit calls")
	}
	skip32Bit(t, exec.Command(opener, "doors32", t.TempDir()))
}

// need32BitPrograms skips a test where there is no 32-bit program to run, or the
// kernel runs none.
func need32BitPrograms(t *testing.T) {
	t.Helper()
	skip32Bit(t, exec.Command(open32, "/tmp/no-32-bit-programs"))
}

// skip32Bit skips a test whose trial does not start or is killed. Any other end is
// for the test to judge.
func skip32Bit(t *testing.T, trial *exec.Cmd) {
	t.Helper()
	err := trial.Run()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		t.Skipf("*** DID NOT RUN: %v; gcc -m32 does not build it here", err)
	case errors.Is(err, unix.ENOEXEC), errors.As(err, &exit) && exit.ExitCode() == -1:
		t.Skipf("*** DID NOT RUN: this kernel runs no 32-bit code (%v)", err)
	}
}
