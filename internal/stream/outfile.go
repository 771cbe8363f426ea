package stream

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// flags append, so that a file which somebody else truncates goes on without a gap. Nothing
// waits: neither for a reader nor for room.
const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC

// mode is that of new files.
const mode = 0o600

// CreateFile makes a file, which belongs to the user who called sudo. The error is
// [os.ErrExist] if there is one.
func CreateFile(path string) (*os.File, error) {
	file, err := open(path, unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return nil, err
	}
	if uid, gid, called := caller(); called {
		// Where root cannot give files away it keeps this one.
		_ = file.Chown(uid, gid)
	}
	return file, nil
}

// caller returns the user who called sudo, and that user's group.
func caller() (uid, gid int, called bool) {
	u, err := strconv.ParseUint(os.Getenv("SUDO_UID"), 10, 31)
	if g, err := strconv.ParseUint(os.Getenv("SUDO_GID"), 10, 31); err == nil {
		gid = int(g)
	} else {
		gid = -1 // as it is
	}
	return int(u), gid, err == nil && os.Geteuid() == 0
}

// ReplaceFile opens a file to write over what is in it, or makes it. It follows a symbolic link
// only if that is no other user's.
func ReplaceFile(path string) (_ *os.File, err error) {
	file, err := CreateFile(path)
	if !errors.Is(err, os.ErrExist) {
		return file, err
	}
	file, err = open(path, unix.O_CREAT|unix.O_NOFOLLOW)
	if errors.Is(err, unix.ELOOP) {
		if err := checkLink(path); err != nil {
			return nil, err
		}
		file, err = open(path, unix.O_CREAT)
	}
	if errors.Is(err, unix.ENXIO) {
		return nil, nobodyThere(path)
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	regular, err := check(file)
	if err == nil && regular {
		err = file.Truncate(0)
	}
	return file, err
}

func open(path string, more int) (*os.File, error) {
	for {
		fd, err := unix.Open(path, flags|more, mode)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), path), nil
		case err != unix.EINTR:
			return nil, &os.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

// checkLink returns an error if a symbolic link is another user's.
func checkLink(path string) error {
	var link unix.Stat_t
	if err := unix.Lstat(path, &link); err != nil {
		return &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	if !trusted(link.Uid) {
		return fmt.Errorf("%s is a symbolic link of the user %d: remove it, or name the file itself", path, link.Uid)
	}
	return nil
}

// check returns an error if a file is one that another user could have put there, and else
// whether it is a regular one. A device is whose it is.
func check(file *os.File) (regular bool, err error) {
	path := file.Name()
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return false, &os.PathError{Op: "fstat", Path: path, Err: err}
	}
	regular = st.Mode&unix.S_IFMT == unix.S_IFREG
	switch {
	case !regular && st.Mode&unix.S_IFMT != unix.S_IFIFO:
	case !trusted(st.Uid):
		return false, fmt.Errorf("%s belongs to the user %d, who could read and change it: remove it, or choose another file", path, st.Uid)
	case regular && st.Nlink > 1:
		return false, fmt.Errorf("%s has %d names (hard links), perhaps one of another user's: remove it, or choose another file", path, st.Nlink)
	}
	return regular, nil
}

// nobodyThere explains why a file cannot be opened that is there: ENXIO of open(2).
func nobodyThere(path string) error {
	var st unix.Stat_t
	_ = unix.Stat(path, &st)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return fmt.Errorf("%s is a FIFO that nobody reads: start its reader first", path)
	case unix.S_IFSOCK:
		return fmt.Errorf("%s is a socket, into which no program writes by its name: choose another file", path)
	}
	return fmt.Errorf("%s has no terminal or other device behind it: choose another file", path)
}

// trusted reports whether a user may have made what we write into: root, this user, or the
// one who called sudo.
func trusted(uid uint32) bool {
	by, _, called := caller()
	return uid == 0 || int(uid) == os.Geteuid() || called && int(uid) == by
}
