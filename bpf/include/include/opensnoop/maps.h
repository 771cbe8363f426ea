// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_MAPS_H
#define _OPENSNOOP_MAPS_H

// What touches the maps. It is defined in opensnoop.c, because libbcc rewrites the
// calls of a map's methods in the main file only.

#include <linux/types.h>
#include <opensnoop/slots.h>

struct pending_call;
struct record;

// slot is where a value of enum slot stands; NULL only for the verifier.
static __always_inline u64 *slot(int which);

// scratch_record is this CPU's memory to build a record in; NULL only for the
// verifier. Zero is a place of the caller's that holds 0.
static __always_inline struct record *scratch_record(int *zero);

// output puts the first size bytes of a record into the perf buffer of this CPU; not 0
// if they do not fit.
static __always_inline long output(void *ctx, struct record *r, u64 size);

// The pending calls, by pid_tgid. Putting and deleting return 0, or an error if there
// is no room, or no such call.
static __always_inline struct pending_call *find_pending(u64 *id);
static __always_inline long put_pending(u64 *id, struct record *r);
static __always_inline long delete_pending(u64 *id);

// Whether an id is among those to trace.
static __always_inline bool cgroup_listed(u64 *id);
static __always_inline bool mount_ns_listed(u64 *inum);

static __always_inline void add(enum slot which, s64 n)
{
	u64 *value = slot(which);

	if (value)
		__sync_fetch_and_add(value, n);
}

#endif
