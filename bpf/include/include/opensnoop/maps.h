// SPDX-License-Identifier: GPL-2.0-only

// What is in the maps that opensnoop.c declares. All of them are declared, and those that nobody
// uses are not made (internal/object).

#include <linux/types.h>
#include <opensnoop/call.h>
#include <opensnoop/record.h>
#include <opensnoop/slots.h>
#include <uapi/linux/limits.h>

// The flag of a map that gets its memory as it is needed. Before Linux 6.1 the kernel warns in its log if a
// program that traces has such a map (check_map_prog_compatibility of kernel/bpf/verifier.c).
#define AS_NEEDED (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0) ? BPF_F_NO_PREALLOC : 0)

// slot is where a value of enum slot stands. NO_SLOT asks whether it is NULL: for the verifier, of a
// look-up; the address of a mapped value never is. As macros they are quicker to compile: there are
// many.
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 5, 0)
#define SLOTS_MAPPED
#define slot(which) ((u64 *)map_value() + (which))
#define NO_SLOT(value) false
#else
static __always_inline u64 *slot(int which);
#define NO_SLOT(value) (!(value))
#endif

// All slots, as one value, and behind them the cells.
struct slots {
	u64 slot[SLOTS];
	struct pending_call cells[HAS_CELLS * CELLS];
};

// Each program has memory of its own to build a record in. The kernel does not run a
// program on a CPU where it runs already, but it may well run another one meanwhile:
// system call tracepoints can be preempted since Linux 6.13.
enum scratch {
	SCRATCH_ENTER,
	SCRATCH_NAMED,
	SCRATCH_RETURN,
	SCRATCH_INTERRUPTED, // of the same program, for a second call
	SCRATCH_COMPLETE,
	SCRATCH_EXEC,
	SCRATCHES,
	SCRATCH_SUBMIT, // in a map of its own
};

// scratch_call is a program's memory on this CPU; NULL only for the verifier.
static __always_inline struct call *scratch_call(int which);

// output puts the first size bytes of a record into the perf buffer of this CPU; not 0 if they do
// not fit.
static __always_inline long output(void *ctx, struct record *r, u64 size);

// A counting filter over the low 12 bits of the tgid: how many followed processes have these bits. The program
// and user space count what each has put in, less what it took out. If both numbers are 0, a process is not followed.
#define FOLLOWED_BUCKETS 4096

// How one is excluded; internal/trace/cgroup.go has the same. The processes on the host are those
// of no container that are in no cgroup namespace.
enum { EXCLUDED = 1, EXCLUDED_ON_HOST = 2 };

// What is told of a cgroup that is made; internal/trace/cgroup.go has the same.
struct cgroup_made {
	u64 id;
	u32 uid;             // of who makes it
	u32 size;            // of the path, with its NUL
	char path[PATH_MAX]; // in the hierarchy
};

// The strings of pending calls that are too long for the map of these.
struct long_name {
	char bytes[LONG_NAME];
};
struct longest_name {
	char bytes[STRINGS_MAX];
};

// slot_read is the value of a slot.
static __always_inline u64 slot_read(enum slot which)
{
	u64 *value = slot(which);

	return NO_SLOT(value) ? 0 : *value;
}

static __always_inline void note(enum slot which, u64 value)
{
	u64 *noted = slot(which);

	if (!NO_SLOT(noted))
		*noted = value;
}

static __always_inline void add(enum slot which, s64 n)
{
	u64 *value = slot(which);

	if (!NO_SLOT(value))
		__sync_fetch_and_add(value, n);
}
