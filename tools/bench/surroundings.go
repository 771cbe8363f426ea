package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// ownMounts gives this thread, and the processes it starts, the mounts that the
// peers need, without changing the machine's. The thread stays the caller's own.
func ownMounts() error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("making a mount namespace (root is needed): %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making the mounts private: %w", err)
	}
	for _, m := range []struct{ kind, at, sign string }{
		{"debugfs", "/sys/kernel/debug", "tracing"},
		{"tracefs", "/sys/kernel/tracing", "events"},
	} {
		if _, err := os.Stat(filepath.Join(m.at, m.sign)); err == nil {
			continue
		}
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			// A tool that needs it tells so itself.
			fmt.Fprintf(os.Stderr, "bench: mounting %s: %v\n", m.kind, err)
		}
	}
	return nil
}

// linkHeaders makes the headers in a folder those of the running kernel, where bcc
// looks for them. It is for guests, whose files end with them.
func linkHeaders(folder string) error {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	release := unix.ByteSliceToString(name.Release[:])
	modules := filepath.Join("/lib/modules", release)
	if err := os.MkdirAll(modules, 0o755); err != nil {
		return err
	}
	// Debian's package for a flavour links to the one for all of them.
	for _, link := range []string{"build", "source"} {
		target, err := os.Readlink(filepath.Join(folder, "lib/modules", release, link))
		if err != nil {
			return fmt.Errorf("looking for kernel headers: %w", err)
		}
		if err := os.Symlink(filepath.Join(folder, target), filepath.Join(modules, link)); err != nil {
			return err
		}
	}
	return nil
}

// openTerminal returns both ends of a new terminal.
func openTerminal() (ours, theirs *os.File, err error) {
	ours, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	fd := int(ours.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		theirs, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		ours.Close()
		return nil, nil, fmt.Errorf("opening a terminal: %w", err)
	}
	return ours, theirs, nil
}
