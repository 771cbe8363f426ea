// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_MAPS_H
#define _OPENSNOOP_MAPS_H

// What touches the maps. It is defined in opensnoop.c, because libbcc rewrites the
// calls of a map's methods in the main file only.

#include <linux/types.h>
#include <opensnoop/slots.h>
#include <uapi/linux/limits.h>

struct call;
struct pending_call;
struct record;

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

// Each program has memory of its own to build a record in. The kernel does not run a
// program on a CPU where it runs already, but it may well run another one meanwhile:
// system call tracepoints can be preempted since Linux 6.13.
enum scratch {
	SCRATCH_ENTER,
	SCRATCH_NAMED,
	SCRATCH_RETURN,
	SCRATCH_INTERRUPTED, // of the same program, for a second call
	SCRATCH_SUBMIT,
	SCRATCH_COMPLETE,
	SCRATCH_EXEC,
	SCRATCHES,
};

// scratch_call is a program's memory on this CPU; NULL only for the verifier.
static __always_inline struct call *scratch_call(int which);

// output puts the first size bytes of a record into the perf buffer of this CPU; not 0
// if they do not fit.
static __always_inline long output(void *ctx, struct record *r, u64 size);

// cell_of is the cell of a thread, by its pid_tgid; NULL only for the verifier.
static __always_inline struct pending_call *cell_of(u64 id);

// The pending calls that are in no cell, by pid_tgid. Putting and deleting return 0, or an error if
// there is no room, or no such call.
static __always_inline struct pending_call *find_pending(u64 *id);
static __always_inline long put_pending(u64 *id, struct call *c);
static __always_inline long delete_pending(u64 *id);

// The strings of pending calls that are too long for the map of these. Where they are goes by their
// length, and putting takes a place that is free.
static __always_inline char *find_long_name(u64 *id, u32 len);
static __always_inline long put_long_name(u64 *id, char *name, u32 len);
static __always_inline long delete_long_name(u64 *id, u32 len);

// How many of them a holder has: those that the program has put in, less those that it took out, and
// those that user space took out.
static __always_inline u64 *names_put(int holder);
static __always_inline u64 *names_taken(int holder);

// continue_walk runs the program that walks on, for the program whose memory this is. It
// returns only if there is none, or too many have run.
static __always_inline void continue_walk(void *ctx, enum scratch which);

// The processes that are followed, by their tgids in the kernel's first pid namespace, and of
// those that were made while user space looked, who made them. Putting and deleting as above.
static __always_inline u32 *find_followed(u32 *tgid);
static __always_inline long insert_followed(u32 *tgid, u32 *depth);
static __always_inline long put_followed(u32 *tgid, u32 *depth);
static __always_inline long delete_followed(u32 *tgid);
static __always_inline void put_fork(u32 *child, u32 *parent);

// How many of them there are whose tgids end in the same bits: those that the program has put in,
// less those that it took out, and the same of user space. A look at both numbers says of most
// other processes that they are not followed.
#define ALIKE 4096
static __always_inline u64 *alike_here(int last);
static __always_inline u64 *alike_there(int last);

// The arguments of the programs of processes, by tgid.
struct args;
static __always_inline struct args *find_args(u32 *tgid);
static __always_inline void put_args(u32 *tgid, struct args *args);
static __always_inline void delete_args(u32 *tgid);

// The processes to trace, by their tgids in the tracer's pid namespace.
static __always_inline bool in_pids(u32 tgid);
static __always_inline void delete_pid(u32 tgid);

// Whether an id is among those to trace.
static __always_inline bool cgroup_listed(u64 *id);
static __always_inline bool mount_ns_listed(u64 *inum);
static __always_inline bool cgroup_excluded(u64 *id);
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

// Its memory on this CPU; NULL only for the verifier.
static __always_inline struct cgroup_made *scratch_cgroup(void);
static __always_inline long output_cgroup(void *ctx, struct cgroup_made *made, u64 size);

// told is the value of a slot.
static __always_inline u64 told(enum slot which)
{
	u64 *value = slot(which);

	return NO_SLOT(value) ? 0 : *value;
}

static __always_inline void add(enum slot which, s64 n)
{
	u64 *value = slot(which);

	if (!NO_SLOT(value))
		__sync_fetch_and_add(value, n);
}

#endif
