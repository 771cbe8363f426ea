package cli

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"opensnoop/internal/terminal"
)

// open returns where the rows go: stdout, or the file of -w.
func (o *outputOptions) open(stdout *os.File) (file *os.File, err error) {
	switch {
	case o.file == "":
		file = stdout
	case o.force:
		file, err = openOver(o.file)
	default:
		file, err = os.OpenFile(o.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			return nil, fmt.Errorf("%s exists: choose another file, or --force to write over it", o.file)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the file to write: %w", err)
	}
	if o.format == formatCSV && terminal.Is(file) {
		if file != stdout {
			file.Close()
		}
		return nil, &usageError{errCSVOnTerminal}
	}
	return file, nil
}

// errCSVOnTerminal is because the format keeps all bytes of names as they are.
var errCSVOnTerminal = errors.New("CSV is not for terminals, which names could control: write it to a file (-w) or into a pipe, or use -o table")

// openOver opens a file to write over what is in it. It waits for nobody, and writes into
// nothing that another user has put there.
func openOver(path string) (_ *os.File, err error) {
	file, err := openNoLink(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return nil, &os.PathError{Op: "fstat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		if !trusted(st.Uid) {
			return nil, fmt.Errorf("%s belongs to the user %d, who could read and change what is written: remove it, or choose another file", path, st.Uid)
		}
		if err := file.Truncate(0); err != nil {
			return nil, err
		}
	}
	return file, unix.SetNonblock(int(file.Fd()), false)
}

// openNoLink opens a file, through a symbolic link only if that is no other user's.
func openNoLink(path string) (*os.File, error) {
	const flags = os.O_WRONLY | os.O_CREATE | unix.O_NONBLOCK
	file, err := os.OpenFile(path, flags|unix.O_NOFOLLOW, 0o600)
	if errors.Is(err, unix.ELOOP) {
		var link unix.Stat_t
		if err := unix.Lstat(path, &link); err != nil {
			return nil, &os.PathError{Op: "lstat", Path: path, Err: err}
		}
		if !trusted(link.Uid) {
			return nil, fmt.Errorf("%s is a symbolic link of the user %d: remove it, or name the file itself", path, link.Uid)
		}
		file, err = os.OpenFile(path, flags, 0o600)
	}
	if errors.Is(err, unix.ENXIO) {
		return nil, fmt.Errorf("%s is a FIFO that nobody reads: start its reader first", path)
	}
	return file, err
}

// trusted reports whether a user may have made what we write into: root, this user, or the
// one who called sudo.
func trusted(uid uint32) bool {
	caller, err := strconv.ParseUint(os.Getenv("SUDO_UID"), 10, 32)
	return uid == 0 || int(uid) == os.Geteuid() || err == nil && uint64(uid) == caller && os.Geteuid() == 0
}
