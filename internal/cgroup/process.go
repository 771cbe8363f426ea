package cgroup

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
)

// OfProcess returns what the cgroup is of that a process is in, waiting until that is known or ctx
// ends. Both are nil if it is not known.
func (r *Registry) OfProcess(ctx context.Context, pid uint32) (*event.Container, *event.Unit) {
	if r.hierarchy == nil {
		return nil, nil
	}
	path := cgroupOf("/proc/" + strconv.FormatUint(uint64(pid), 10))
	var stat unix.Stat_t
	if path == "" || strings.Contains(path, "/..") || // of another cgroup namespace
		unix.Fstatat(int(r.hierarchy.folder.Fd()), "."+path, &stat, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return nil, nil
	}
	for {
		c := r.Of(stat.Ino)
		if c.Settled() {
			return c.Container(), c.Unit()
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(time.Millisecond):
		}
	}
}

// cgroupOf is the path of the cgroup of version 2 that a process is in, by its folder in /proc; ""
// if that is not known.
func cgroupOf(process string) string {
	text, _ := os.ReadFile(process + "/cgroup")
	_, path, _ := strings.Cut("\n"+string(text), "\n0::")
	path, _, _ = strings.Cut(path, "\n")
	return path
}
