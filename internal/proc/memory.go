package proc

import (
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// CheckMemory returns an error if this process's cgroup or one above it may have less memory than
// so many bytes, which what needs. Whoever uses more is killed.
func CheckMemory(needed uint64, what string) error {
	if limit := memoryLimit(os.DirFS("/")); limit < needed {
		return tooLow("the memory limit of the cgroup is %d MB, and %s needs some %d; raise it", limit>>20, what, needed>>20)
	}
	return nil
}

// memoryLimit is the lowest limit of memory of this process's cgroup and those above it, as far as
// they can be seen.
func memoryLimit(root fs.FS) uint64 {
	lowest := uint64(math.MaxUint64)
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		// cgroups(7): hierarchy-ID:controller-list:cgroup-path
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		switch parts[1] {
		case "":
		case "memory":
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		group := path.Clean("/" + parts[2])
		if strings.HasPrefix(parts[2], "/..") { // outside of what is seen here
			group = "/"
		}
		for at := group; ; at = path.Dir(at) {
			text, _ := fs.ReadFile(root, path.Join(mount, at, file))
			if limit, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil {
				lowest = min(lowest, limit)
			}
			if at == "/" {
				break
			}
		}
	}
	return lowest
}
