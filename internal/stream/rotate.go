package stream

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Rotate makes a file as [CreateFile] does. One that is there becomes path.1, path.1 becomes
// path.2, and so on; of the old ones the last keep stay. All must be regular files that no other
// user put there.
func Rotate(path string, keep int) (*os.File, error) {
	name := func(n int) string {
		if n == 0 {
			return path
		}
		return fmt.Sprintf("%s.%d", path, n)
	}
	free := 0 // the first name that is; the last one is overwritten
	for ; free < keep; free++ {
		if err := checkOld(name(free)); errors.Is(err, os.ErrNotExist) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	if free == keep {
		if err := checkOld(name(keep)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	for n := free; n > 0; n-- {
		if err := os.Rename(name(n-1), name(n)); err != nil {
			return nil, err
		}
	}
	return CreateFile(path)
}

// checkOld returns an error if a file is none that may be renamed, and in the end removed.
func checkOld(path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	switch kind := st.Mode & unix.S_IFMT; {
	case kind == unix.S_IFDIR:
		return fmt.Errorf("%s is a folder: remove it, or choose another file", path)
	case kind != unix.S_IFREG:
		return fmt.Errorf("%s is a link or a device: remove it, or choose another file", path)
	case !trusted(st.Uid):
		return fmt.Errorf("%s belongs to the user %d: remove it, or choose another file", path, st.Uid)
	}
	return nil
}

// Removed reports whether a file has no name any more, so that what is written into it is gone.
func Removed(file *os.File) bool {
	var st unix.Stat_t
	return unix.Fstat(int(file.Fd()), &st) == nil && st.Nlink == 0
}
