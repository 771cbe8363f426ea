package cgroup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	// stateMax is the most bytes that are read of what a runtime has of one container, listMax
	// of a list of all of root's containers.
	stateMax = 1 << 20
	listMax  = 16 << 20

	// textMax is how long a name may be.
	textMax = 4 << 10

	// namespacesMax is in how many of containerd's namespaces is looked.
	namespacesMax = 64
)

// files are those in which the runtimes keep what they know of their containers. Those of a user's
// own runtimes are that user's to write: they are believed for that user's containers alone, and
// what they are, and how large, is never trusted.
type files struct {
	root  int // the folder that all paths are from
	isOwn bool
	uid   uint32
	home  func(uid uint32) string

	sources []source // what was found in them
	last    source   // the file that was opened last
}

// source is a file, as it was.
type source struct {
	path  string
	inode uint64
	mtime unix.Timespec
}

// filesOf returns those for a container; false if they cannot be had now.
func (r *Registry) filesOf(c *Info) (*files, bool) {
	f := &files{root: r.root, uid: c.owner.uid, home: r.home}
	if c.outer != nil {
		if r.hierarchy == nil {
			return nil, false
		}
		f.root, f.isOwn = r.hierarchy.rootOf(c.outer.path, c.path)
		return f, f.isOwn
	}
	return f, true
}

func (f *files) close() {
	if f.isOwn {
		unix.Close(f.root)
	}
}

// homeOf is the folder of a user; "" if it is not known. Where the user is not in /etc/passwd, that
// may take long.
func homeOf(uid uint32) string {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return ""
	}
	return u.HomeDir
}

// open opens a file, which may be anything that a user has made: it follows no link to it, waits
// for nothing, and takes only a regular file, of that user. Links to folders do not lead out of
// the root folder.
func (f *files) open(path string, flags uint64) (*os.File, error) {
	flags |= unix.O_NOFOLLOW | unix.O_CLOEXEC
	if flags&unix.O_PATH == 0 {
		flags |= unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY
	}
	fd, err := unix.Openat2(f.root, path, &unix.OpenHow{Flags: flags, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
	if errors.Is(err, unix.ENOSYS) && !f.isOwn { // before Linux 5.6
		fd, err = unix.Open(path, int(flags), 0)
	}
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), path)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		file.Close()
		return nil, err
	}
	kind := stat.Mode & unix.S_IFMT
	if kind != unix.S_IFREG && flags&unix.O_DIRECTORY == 0 || f.uid != 0 && stat.Uid != f.uid {
		file.Close()
		return nil, fmt.Errorf("%s is no file of user %d", path, f.uid)
	}
	f.last = source{path, stat.Ino, stat.Mtim}
	return file, nil
}

// found notes that something was found in the file that was opened last.
func (f *files) found() { f.sources = append(f.sources, f.last) }

// changed reports whether a file is another one than it was.
func (f *files) changed(s source) bool {
	file, err := f.open(s.path, unix.O_PATH)
	if err != nil {
		return true
	}
	file.Close()
	return f.last != s
}

// isFolder reports whether there is such a folder.
func (f *files) isFolder(path string) bool {
	folder, err := f.open(path, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	folder.Close()
	return true
}

// below are the names in a folder, if they are not very many.
func (f *files) below(path string) []string {
	folder, err := f.open(path, unix.O_DIRECTORY)
	if err != nil {
		return nil
	}
	defer folder.Close()
	names, _ := folder.Readdirnames(namespacesMax)
	return names
}

// read reads a file of JSON, and reports whether it could.
func (f *files) read(path string, into any) bool {
	file, err := f.open(path, 0)
	if err != nil {
		return false
	}
	defer file.Close()
	return json.NewDecoder(io.LimitReader(file, stateMax)).Decode(into) == nil
}

// each reads a file of JSON with a list, and calls give for each thing in it until that is false.
// There is never more of the file in memory than one of them.
func (f *files) each(path string, give func(*json.Decoder) (more bool, err error)) {
	file, err := f.open(path, 0)
	if err != nil {
		return
	}
	defer file.Close()
	all := int64(stateMax)
	if f.uid == 0 && !f.isOwn {
		all = listMax
	}
	one := &io.LimitedReader{R: io.LimitReader(file, all), N: stateMax}
	list := json.NewDecoder(one)
	if start, err := list.Token(); err != nil || start != json.Delim('[') {
		return
	}
	for list.More() {
		if more, err := give(list); err != nil || !more {
			return
		}
		one.N = stateMax
	}
}

// name returns what a runtime tells as a name, unless it is too long to be one.
func name(text string) string {
	if len(text) > textMax {
		return ""
	}
	return text
}

// ofHome is a folder below the user's home, as a list of none or one.
func (f *files) ofHome(folder string) []string {
	home := f.home(f.uid)
	if !filepath.IsAbs(home) {
		return nil
	}
	return []string{filepath.Join(home, folder)}
}
