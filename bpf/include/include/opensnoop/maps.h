// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_MAPS_H
#define _OPENSNOOP_MAPS_H

// What touches the maps. It is defined in opensnoop.c, because libbcc rewrites the
// calls of a map's methods in the main file only.

#include <linux/types.h>

struct call;
struct record;

enum counter {
	LOST,      // records that did not get into the perf buffer or into `calls`
	WAITING,   // calls put into `calls`, less those taken out in the kernel
	RECLAIMED, // calls that user space took out of `calls`; it alone writes this
	COUNTERS,
};

// counter is where a counter stands; NULL only for the verifier.
static __always_inline u64 *counter(int which);

static __always_inline void add(int which, s64 n)
{
	u64 *c = counter(which);

	if (c)
		__sync_fetch_and_add(c, n);
}

// scratch_record is this CPU's memory to build a record in; NULL only for the
// verifier.
static __always_inline struct record *scratch_record(int *zero);

// output sends the first size bytes of a record; 0, or an error if there is no room.
static __always_inline long output(void *ctx, struct record *r, u64 size);

// The calls that wait for their return, by pid_tgid.
static __always_inline struct call *find_call(u64 *id);
static __always_inline long put_call(u64 *id, struct record *r);
static __always_inline long delete_call(u64 *id);

// Whether an id is among those to trace.
static __always_inline bool cgroup_listed(u64 *id);
static __always_inline bool mount_ns_listed(u64 *inum);

#endif
