package cgroup

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// fileidKernfs is the type of the handles of cgroups: FILEID_KERNFS of include/linux/exportfs.h.
	fileidKernfs = 0xfe

	// climbMax is how many folders are gone up from a cgroup whose path is too long to be told.
	climbMax = 1 << 10

	// walkPause is how long it takes at least until all cgroups are looked at again.
	walkPause = time.Second

	// In so many cgroups of a container, with so many below each, is looked for a process of it.
	foldersMax, entriesMax = 32, 64
)

// hierarchy is the one of cgroups of version 2.
type hierarchy struct {
	folder   *os.File
	mount    string // where it is; "" for /
	nextWalk time.Time
}

// rootInode is that of the uppermost cgroup, and of no other.
const rootInode = 1

// openHierarchy opens the one that is mounted at one of these folders, from its top; it returns nil
// if none is.
func openHierarchy(mounts []string) *hierarchy {
	for _, mount := range mounts {
		folder, err := os.Open(mount)
		if err != nil {
			continue
		}
		if info, err := folder.Stat(); err == nil && info.Sys().(*syscall.Stat_t).Ino == rootInode {
			return &hierarchy{folder: folder, mount: strings.TrimSuffix(mount, "/")}
		}
		folder.Close()
	}
	return nil
}

func (h *hierarchy) close() { h.folder.Close() }

// path returns the path of a cgroup from the top, or how it begins if it is very long. Without
// CAP_DAC_READ_SEARCH it fails with EPERM.
func (h *hierarchy) path(id uint64) (string, error) {
	handle := unix.NewFileHandle(fileidKernfs, binary.NativeEndian.AppendUint64(nil, id))
	fd, err := unix.OpenByHandleAt(int(h.folder.Fd()), handle, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)
	for range climbMax {
		if err != nil {
			return "", err
		}
		var path string
		if path, err = os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)); err == nil {
			unix.Close(fd)
			path = strings.TrimSuffix(path, " (deleted)")
			return "/" + strings.TrimPrefix(strings.TrimPrefix(path, h.mount), "/"), nil
		}
		below := fd
		fd, err = unix.Openat(below, "..", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		unix.Close(below)
	}
	unix.Close(fd)
	return "", unix.ENAMETOOLONG
}

// maker returns who can have made a cgroup: the owner of the folder that it is in. It is nobody if
// that is not known.
func (h *hierarchy) maker(path string) int64 {
	var stat unix.Stat_t
	if unix.Fstatat(int(h.folder.Fd()), "."+filepath.Dir(path), &stat, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return nobody
	}
	return int64(stat.Uid)
}

// has reports whether there is a cgroup of that path.
func (h *hierarchy) has(path string) bool {
	var stat unix.Stat_t
	return unix.Fstatat(int(h.folder.Fd()), "."+path, &stat, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// rootOf opens the root folder that the processes in a container have, but those in the one that
// is within it.
func (h *hierarchy) rootOf(outer, inner string) (fd int, ok bool) {
	folders := []string{outer}
	for i := 0; i < len(folders) && i < foldersMax; i++ {
		if folders[i] == inner {
			continue
		}
		for _, pid := range h.processes(folders[i]) {
			if fd, ok = rootOfProcess(pid, outer, inner); ok {
				return fd, true
			}
		}
		folders = append(folders, h.below(folders[i])...)
	}
	return 0, false
}

// open opens a file of the hierarchy.
func (h *hierarchy) open(path string) (*os.File, error) {
	fd, err := unix.Openat(int(h.folder.Fd()), "."+path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// below are the cgroups in another.
func (h *hierarchy) below(path string) (paths []string) {
	folder, err := h.open(path)
	if err != nil {
		return nil
	}
	defer folder.Close()
	entries, _ := folder.ReadDir(entriesMax)
	for _, entry := range entries {
		if entry.IsDir() {
			paths = append(paths, filepath.Join(path, entry.Name()))
		}
	}
	return paths
}

// processes are some of those in a cgroup.
func (h *hierarchy) processes(path string) []string {
	file, err := h.open(filepath.Join(path, "cgroup.procs"))
	if err != nil {
		return nil
	}
	defer file.Close()
	text := make([]byte, 128)
	n, _ := file.Read(text)
	return strings.Fields(string(text[:bytes.LastIndexByte(text[:n], '\n')+1]))
}

// rootOfProcess opens the root folder of a process, if that is in a container, but not in the one
// within it.
func rootOfProcess(pid, outer, inner string) (fd int, ok bool) {
	// Its number may be another one's by now; what this folder tells is of one process.
	folder, err := unix.Open(filepath.Join("/proc", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	defer unix.Close(folder)
	if fd, err = unix.Openat(folder, "root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return 0, false
	}
	path := cgroupOf("/proc/self/fd/" + strconv.Itoa(folder))
	if isWithin(path, outer) && !isWithin(path, inner) {
		return fd, true
	}
	unix.Close(fd)
	return 0, false
}

// isWithin reports whether a cgroup is another or below it.
func isWithin(path, top string) bool {
	rest, ok := strings.CutPrefix(path, top)
	return ok && (rest == "" || rest[0] == '/')
}

// walk takes in all cgroups that are there: the way for those who may not ask for one.
func (r *Registry) walk() {
	h := r.hierarchy
	r.mu.Lock()
	wait := time.Until(h.nextWalk)
	r.mu.Unlock()
	if wait > 0 {
		r.rest(wait)
	}
	began, left := time.Now(), cgroupsMax
	_ = filepath.WalkDir(h.mount+"/", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // it has gone meanwhile
		}
		if left--; left == 0 {
			return fs.SkipAll
		}
		if info, err := d.Info(); err == nil {
			r.place(info.Sys().(*syscall.Stat_t).Ino, "/"+strings.TrimPrefix(strings.TrimPrefix(path, h.mount), "/"), nobody)
		}
		return nil
	})
	r.mu.Lock()
	h.nextWalk = time.Now().Add(max(walkPause, restTimes*time.Since(began)))
	r.mu.Unlock()
}

// mountPoints is where cgroups of version 2 are mounted, all or some.
func mountPoints(mountInfo string) (mounts []string) {
	text, _ := os.ReadFile(mountInfo)
	for line := range strings.Lines(string(text)) {
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if ok && strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 {
			mounts = append(mounts, fields[4])
		}
	}
	return mounts
}

// inUse reports whether processes are in cgroups of version 2, by what /proc/self/cgroup tells of
// one.
func inUse(cgroup string) bool {
	text, _ := os.ReadFile(cgroup)
	return strings.Contains("\n"+string(text), "\n0::")
}
