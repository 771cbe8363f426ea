// SPDX-License-Identifier: GPL-2.0-only

// What is in the array map `slots`, each of 8 bytes. Values that differ from run to
// run are here and not in macros, so that the program is the same in every run. Go has
// the same in internal/trace/slots.go, and a test holds the two to each other.
enum slot {
	// Opens that user space does not get, by cause.
	LOST_BUFFER,  // their record did not fit into the perf buffer of their CPU
	LOST_PENDING, // there was no room among the pending calls,
	LOST_NAME,    // or for their long name
	LOST_CPU,     // their CPU had no perf buffer
	LOST_ENTRY,   // calls that end, and whose entry the program did not see
	LOST_FORKED,  // their results are asked for, and are not seen of this thread
	LOST_END,     // the same of calls whose end another tracer has hidden

	PENDING_IN,        // calls made pending, less those taken out in the kernel
	PENDING_RECLAIMED, // those that user space took out; it alone writes this

	// Opens that were sent without what they should have waited for, for want of the same.
	UNFINISHED_PENDING,
	UNFINISHED_NAME,
	UNFINISHED_FORKED, // as LOST_FORKED

	// Processes that are not followed, though those that started them are: there was no
	// room.
	UNFOLLOWED,

	DEAD_CPUS, // of which CPUs these are: bit n for each CPU n modulo 64

	// Not 0 once a call waits for the return of the kernel's open function, which is hooked then.
	RETURN_WANTED,

	SELF_SEEN, // opens of the tracer itself: they prove that the program runs
	SELF_TIME, // when the last of them was, in ns of CLOCK_MONOTONIC

	// The tracer's root: its mount and folder, where that mount is mounted, and what is
	// there, and the mount namespace. The program notes them at opens of the tracer.
	TOP_MNT,
	TOP_DENTRY,
	TOP_MOUNTPOINT,
	TOP_ROOT,
	TOP_NS,

	// User space writes these once, before it attaches the programs.
	SELF,   // the tracer's own tgid, whose opens make no records
	HOOKED, // a sum of HOOKED_…
	PID,    // with PID_SLOT, the tgid of the one process to trace, or NO_PID once it has ended
	// With LOCKS, where the kernel counts renames, and changes of mounts: rename_lock and mount_lock.
	RENAME_LOCK,
	MOUNT_LOCK,
	FOLLOW_PID, // the tgid of the process to follow, until it is among them; 0 for none

	// While user space looks for processes to follow, it wants to know of those that are
	// made.
	LOOKING,

	GATE_SHUT, // not 0 while calls are another session's; with GATED

	SLOTS,
};

#define NO_PID (~0ULL) // 0 is what processes of other pid namespaces have

// What is attached beside the kernel's own open function.
#define HOOKED_OPENAT2 1        // the system call openat2
#define HOOKED_COMPAT_OPENAT2 2 // that of 32-bit programs
#define HOOKED_NAMED 4          // what gets the kernel's copy of a name
