package bcc

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// headerFolder is a folder that looks to libbcc like a kernel source tree.
type headerFolder struct {
	path   string
	remove func() error
}

// newHeaderFolder fills a private folder with headers, adding the
// linux/version.h of a kernel of the given version code.
//
// Where the kernel and our rights allow it (Linux 5.2, CAP_SYS_ADMIN) the folder
// is a tmpfs that is mounted nowhere: it has no name in the file system, and the
// kernel frees it with our last descriptor, however we end. Elsewhere it is an
// ordinary temporary folder, mode 0700.
func newHeaderFolder(headers fs.FS, version uint32) (*headerFolder, error) {
	f, err := detachedFolder()
	if err != nil {
		if f, err = temporaryFolder(); err != nil {
			return nil, err
		}
	}
	if err := f.fill(headers, version); err != nil {
		f.remove()
		return nil, err
	}
	return f, nil
}

func detachedFolder() (*headerFolder, error) {
	fsfd, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fsfd)
	if err := unix.FsconfigSetString(fsfd, "mode", "0700"); err != nil {
		return nil, err
	}
	if err := unix.FsconfigCreate(fsfd); err != nil {
		return nil, err
	}
	fd, err := unix.Fsmount(fsfd, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return nil, err
	}
	f := &headerFolder{
		path:   fmt.Sprintf("/proc/self/fd/%d", fd),
		remove: func() error { return unix.Close(fd) },
	}
	if _, err := os.Stat(f.path + "/."); err != nil { // no /proc
		f.remove()
		return nil, err
	}
	return f, nil
}

func temporaryFolder() (*headerFolder, error) {
	dir, err := os.MkdirTemp("", "opensnoop-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the compiler's headers: %w", err)
	}
	return &headerFolder{path: dir, remove: func() error { return os.RemoveAll(dir) }}, nil
}

func (f *headerFolder) fill(headers fs.FS, version uint32) error {
	if err := os.CopyFS(f.path, headers); err != nil {
		return fmt.Errorf("writing the compiler's headers: %w", err)
	}
	text := fmt.Sprintf("#define LINUX_VERSION_CODE %d\n"+
		"#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))\n", version)
	if err := os.WriteFile(filepath.Join(f.path, "include/linux/version.h"), []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing the compiler's headers: %w", err)
	}
	return nil
}
