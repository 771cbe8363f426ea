package kernel

import "golang.org/x/sys/unix"

// PIDNamespace is a pid namespace as the kernel numbers them: the device and the inode
// of its file in /proc/PID/ns (pid_namespaces(7)).
type PIDNamespace struct {
	Dev uint32 // MKDEV of include/linux/kdev_t.h
	Ino uint64
}

// currentPIDNamespace returns the pid namespace of this process; false if it is the
// first one, whose inode is fixed (PROC_PID_INIT_INO in include/linux/proc_ns.h).
func currentPIDNamespace() (PIDNamespace, bool) {
	const first = 0xeffffffc
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &st); err != nil || st.Ino == first {
		return PIDNamespace{}, false
	}
	return PIDNamespace{Dev: unix.Major(st.Dev)<<20 | unix.Minor(st.Dev), Ino: st.Ino}, true
}
