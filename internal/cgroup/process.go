package cgroup

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
	"opensnoop/internal/proc"
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
		if c.Resolved() {
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

// Running calls each with what the cgroups are of that processes are in now, as far as that is known
// when ctx ends.
func (r *Registry) Running(ctx context.Context, each func(*event.Container, *event.Unit)) error {
	all, err := proc.All(proc.Root)
	if err != nil {
		return err
	}
	seen := make(map[string]bool)
	for _, p := range all {
		path := cgroupOf("/proc/" + strconv.FormatUint(uint64(p.PID), 10))
		if seen[path] || ctx.Err() != nil {
			continue
		}
		seen[path] = true
		each(r.OfProcess(ctx, p.PID))
	}
	return nil
}
