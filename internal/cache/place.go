package cache

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// systemFolder is root's cache.
const systemFolder = "/var/cache/opensnoop"

// Default returns the cache of this process's user: root's is in /var/cache, that of
// another user in the user's own cache folder. A process with more rights than its
// caller, by file capabilities or a set-user-id bit, has none but root's: in another
// folder the caller could choose what it finds.
func Default() *Folder {
	if os.Geteuid() == 0 {
		return At(systemFolder)
	}
	if moreThanCaller() {
		return None("not used: this process has more rights than its caller, who could write to the folder")
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return None("not used: " + err.Error())
	}
	return At(filepath.Join(base, "opensnoop"))
}

// moreThanCaller reports whether the kernel gave this process rights at its execve that
// its caller lacks: AT_SECURE of getauxval(3). It is true where that cannot be told.
func moreThanCaller() bool {
	const atSecure = 23 // include/uapi/linux/auxvec.h
	auxv, err := unix.Auxv()
	if err != nil {
		return true
	}
	for _, pair := range auxv {
		if pair[0] == atSecure {
			return pair[1] != 0
		}
	}
	return true
}
