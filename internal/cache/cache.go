// Package cache keeps small pieces of data in a folder, by keys, such that nobody but
// the user who runs this process can have written what it returns.
//
// It believes nothing that it finds: a folder or file of another owner, kind or mode, a
// link, a checksum that is wrong are all the same as nothing, with a reason for those
// who want to know. If something blocks an entry's path in our own folder, it is
// replaced. Only files whose names begin as an entry's are ever removed.
package cache

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxEntries and maxBytes bound what a folder holds; the entries unused for the
	// longest are the first to go.
	maxEntries = 64
	maxBytes   = 16 << 20

	// maxSize is the most bytes that an entry may have.
	maxSize = 4 << 20

	// touchTime is how old an entry's time of use may be before it is noted again.
	touchTime = time.Hour

	// staleTime is after how long a file that is being written is taken for one
	// whose writer was killed.
	staleTime = time.Hour
)

// header is what every entry begins with, before a SHA-256 sum of the rest; magic begins
// the headers of all versions.
const (
	magic  = "opensnoop cache "
	header = magic + "1\n"
)

// temporary is what the names of files begin with that are being written.
const temporary = ".new-"

// The names of our files.
var (
	entryName     = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{64}$`) })
	temporaryName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\.new-[0-9a-f]{16}$`) })
)

// Folder is a cache. The zero value, and nil, keep nothing.
type Folder struct {
	path string
	why  error // why nothing is kept
}

// At returns the cache in the folder at a path.
func At(path string) *Folder { return &Folder{path: path} }

// None returns a cache that keeps nothing, for a reason.
func None(why string) *Folder { return &Folder{why: errors.New(why)} }

// Path is where the cache is; empty if it keeps nothing.
func (f *Folder) Path() string {
	if f == nil {
		return ""
	}
	return f.path
}

// Get returns the data of a key. The error says why there are none: it is
// [os.ErrNotExist] if there is just no entry.
func (f *Folder) Get(key string) ([]byte, error) {
	dir, err := f.open()
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	name, err := fileName(key)
	if err != nil {
		return nil, err
	}
	data, err := read(dir, name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s/%.12s…: %w", f.path, name, err)
	}
	return data, err
}

// Put keeps data under a key, and removes old entries if there are too many. It makes
// the folder if it is not there. A reader sees the entry whole or not at all.
func (f *Folder) Put(key string, data []byte) error {
	if len(data) > maxSize-entryOverhead {
		return fmt.Errorf("keeping %d bytes: more than the %d of an entry", len(data), maxSize-entryOverhead)
	}
	if f.Path() != "" {
		if err := os.MkdirAll(f.path, 0o700); err != nil {
			return err
		}
	}
	dir, err := f.open()
	if err != nil {
		return err
	}
	defer dir.Close()
	name, err := fileName(key)
	if err != nil {
		return err
	}
	if err := write(dir, name, data); err != nil {
		return fmt.Errorf("keeping an entry in %s: %w", f.path, err)
	}
	return prune(dir)
}

// fileName is the file of a key: its SHA-256 sum, so that a key may be anything.
func fileName(key string) (string, error) {
	if key == "" {
		return "", errors.New("an empty key")
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:]), nil
}

// open opens the folder, if it is one of ours that nobody else may write to.
func (f *Folder) open() (*os.File, error) {
	switch {
	case f == nil:
		return nil, errors.New("there is no cache")
	case f.why != nil:
		return nil, f.why
	case f.path == "":
		return nil, errors.New("there is no cache")
	}
	fd, err := unix.Open(f.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			err = errors.New("it is a link, or no folder")
		}
		return nil, &os.PathError{Op: "open", Path: f.path, Err: err}
	}
	dir := os.NewFile(uintptr(fd), f.path)
	if _, err := owned(fd, unix.S_IFDIR); err != nil {
		dir.Close()
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	return dir, nil
}

// owned returns an error if a file is of another kind or user, or others may write to
// it.
func owned(fd int, kind uint32) (unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return st, err
	}
	switch {
	case st.Mode&unix.S_IFMT != kind:
		return st, errors.New("it is a file of another kind")
	case int(st.Uid) != os.Geteuid():
		return st, fmt.Errorf("it belongs to the user %d", st.Uid)
	case st.Mode&0o022 != 0:
		return st, fmt.Errorf("others may write to it (mode %04o)", st.Mode&0o7777)
	case kind == unix.S_IFREG && st.Nlink > 1: // it has none if another start has just replaced it
		return st, fmt.Errorf("it has %d names", st.Nlink)
	}
	return st, nil
}

// entryOverhead is how many bytes an entry has besides its data.
const entryOverhead = len(header) + sha256.Size

// read returns the data of an entry that can be trusted.
func read(dir *os.File, name string) ([]byte, error) {
	// Not blocking: a FIFO would wait for a writer.
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, errors.New("it is a link")
	} else if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	st, err := owned(fd, unix.S_IFREG)
	if err != nil {
		return nil, err
	}
	if st.Size < int64(entryOverhead) || st.Size > maxSize {
		return nil, fmt.Errorf("%d bytes are no entry", st.Size)
	}
	entry := make([]byte, st.Size)
	if _, err := io.ReadFull(file, entry); err != nil {
		return nil, err
	}
	data, err := unwrap(entry)
	if err != nil {
		return nil, err
	}
	if used := time.Unix(st.Mtim.Unix()); time.Since(used).Abs() > touchTime {
		// Best effort, so that what is used stays.
		now := unix.NsecToTimeval(time.Now().UnixNano())
		_ = unix.Futimes(fd, []unix.Timeval{now, now})
	}
	return data, nil
}

// wrap returns data as an entry, and unwrap the data of one.
func wrap(data []byte) []byte {
	sum := sha256.Sum256(data)
	return slices.Concat([]byte(header), sum[:], data)
}

func unwrap(entry []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(entry, []byte(header))
	if !ok || len(rest) < sha256.Size {
		return nil, errors.New("it is no entry of this version")
	}
	data := rest[sha256.Size:]
	if sum := sha256.Sum256(data); !bytes.Equal(sum[:], rest[:sha256.Size]) {
		return nil, errors.New("it is damaged")
	}
	return data, nil
}

// write puts an entry in its place.
func write(dir *os.File, name string, data []byte) error {
	file, err := createTemporary(dir)
	if err != nil {
		return err
	}
	_, err = file.Write(wrap(data))
	err = errors.Join(err, file.Close())
	at := int(dir.Fd())
	if err == nil {
		err = unix.Renameat(at, file.Name(), at, name)
		if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENOTEMPTY) {
			// A folder is in the way; it goes if it is empty.
			if unix.Unlinkat(at, name, unix.AT_REMOVEDIR) == nil {
				err = unix.Renameat(at, file.Name(), at, name)
			}
		}
	}
	if err != nil {
		_ = unix.Unlinkat(at, file.Name(), 0)
	}
	return err
}

func createTemporary(dir *os.File) (*os.File, error) {
	var random [8]byte
	if _, err := unix.Getrandom(random[:], 0); err != nil {
		return nil, err
	}
	name := temporary + hex.EncodeToString(random[:])
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// file is one of those in the folder.
type file struct {
	name string
	used time.Time
	size int64
}

// prune removes the entries unused for the longest while there are too many, and what
// killed writers left.
func prune(dir *os.File) error {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("looking through %s: %w", dir.Name(), err)
	}
	var files []file
	var total int64
	at := int(dir.Fd())
	for _, name := range names {
		isTemporary := temporaryName().MatchString(name)
		if !isTemporary && !entryName().MatchString(name) {
			continue
		}
		f, ours := look(dir, name)
		switch {
		case !ours:
		case !isTemporary:
			files = append(files, f)
			total += f.size
		case time.Since(f.used) > staleTime:
			_ = unix.Unlinkat(at, name, 0)
		}
	}
	slices.SortFunc(files, func(a, b file) int {
		return cmp.Or(a.used.Compare(b.used), strings.Compare(a.name, b.name))
	})
	for len(files) > maxEntries || total > maxBytes {
		_ = unix.Unlinkat(at, files[0].name, 0) // another start may have been faster
		total -= files[0].size
		files = files[1:]
	}
	return nil
}

// look looks at a file with a name of ours, and reports whether it is ours: it is empty,
// as a writer that was killed leaves it, or begins as an entry of any version.
func look(dir *os.File, name string) (_ file, ours bool) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return file{}, false
	}
	defer unix.Close(fd)
	st, err := owned(fd, unix.S_IFREG)
	if err != nil {
		return file{}, false
	}
	var start [len(magic)]byte
	if n, _ := unix.Pread(fd, start[:], 0); n > 0 && string(start[:]) != magic {
		return file{}, false
	}
	return file{name, time.Unix(st.Mtim.Unix()), st.Size}, true
}
