package bcc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// sourceFolder is a folder that libbcc takes for the kernel's source: it wants one with
// a file include/linux/kconfig.h, changes directory there, and includes by relative
// paths. No other file of it counts, nor what is in that one.
type sourceFolder struct {
	path string
	lock *os.File // the folder, locked as long as it is in use
}

const (
	// folderPattern is what the names of source folders are like.
	folderPattern = "opensnoop-*-*"
	configFile    = "include/linux/kconfig.h"
	// configText tells our folders from others. The file comes last, when the folder is
	// locked: one that has it and is not locked is left from a start that was killed.
	configText = "/* opensnoop has libbcc compile here, and removes this folder. */\n"
)

// makeSourceFolder makes one, and removes those that killed starts have left.
func makeSourceFolder() (*sourceFolder, error) {
	var errs []error
	// Root's compiler is another user, who has to get there.
	for _, place := range []string{"/run", os.TempDir(), "/dev/shm"} {
		removeLeft(place)
		path, err := os.MkdirTemp(place, fmt.Sprintf("opensnoop-%d-", os.Getpid()))
		if err == nil {
			f := &sourceFolder{path: path}
			if err = f.fill(); err == nil {
				return f, nil
			}
			f.remove()
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("making a folder: %w", errors.Join(errs...))
}

// fill locks the folder and makes the one file that has to be there, for any user to see.
func (f *sourceFolder) fill() (err error) {
	if f.lock, err = os.Open(f.path); err != nil {
		return err
	}
	if err := unix.Flock(int(f.lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("locking %s: %w", f.path, err)
	}
	if err := f.lock.Chmod(0o755); err != nil {
		return err
	}
	config := filepath.Join(f.path, configFile)
	if err := os.MkdirAll(filepath.Dir(config), 0o755); err != nil {
		return err
	}
	return os.WriteFile(config, []byte(configText), 0o644)
}

// remove removes what fill has made. What somebody else has put there stays.
func (f *sourceFolder) remove() {
	for at := configFile; at != "."; at = filepath.Dir(at) {
		_ = os.Remove(filepath.Join(f.path, at))
	}
	_ = os.Remove(f.path)
	if f.lock != nil {
		f.lock.Close()
	}
}

// removeLeft removes the folders of starts that were killed while they compiled.
func removeLeft(place string) {
	paths, _ := filepath.Glob(filepath.Join(place, folderPattern))
	for _, path := range paths {
		if f := leftFolder(path); f != nil {
			f.remove()
		}
	}
}

// leftFolder returns the source folder at a path if nobody uses it any more, locked; else
// nil. No other user can have made it, or change what is in it.
func leftFolder(path string) *sourceFolder {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	f := &sourceFolder{path: path, lock: os.NewFile(uintptr(fd), path)}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == nil && int(st.Uid) == os.Geteuid() && st.Mode&0o022 == 0 &&
		f.isOurs() && unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil {
		return f
	}
	f.lock.Close()
	return nil
}

// isOurs reports whether the file that fill makes last is there.
func (f *sourceFolder) isOurs() bool {
	file, err := os.OpenFile(filepath.Join(f.path, configFile), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, int64(len(configText))+1))
	return err == nil && string(text) == configText
}
