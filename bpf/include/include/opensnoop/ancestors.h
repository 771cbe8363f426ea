// SPDX-License-Identifier: GPL-2.0-only

// What a process descends from, as the kernel has it now: up to the first process, or to the one that
// is followed.

#include <opensnoop/follow.h>
#include <opensnoop/maps.h>
#include <opensnoop/record.h>
#include <opensnoop/task.h>

// is_topmost reports whether nothing is looked for above a process.
static __always_inline bool is_topmost(u32 tgid)
{
	u32 *depth = depth_of(tgid);

	return tgid <= 1 || (depth && !*depth);
}

// parent_of is the first thread of the parent of a process that has this first thread.
static __always_inline u64 parent_of(u64 leader)
{
	return member(member(leader, TASK_REAL_PARENT), TASK_GROUP_LEADER);
}

// under_wanted reports whether the process, or one that it descends from, may have a name that is
// wanted.
static __always_inline bool under_wanted(void)
{
	if (!BY_ANCESTOR)
		return true;

	u64 leader = task_member(TASK_GROUP_LEADER);

#pragma clang loop unroll(disable)
	for (int i = 0; i < ANCESTORS_MAX; i++) {
		u64 comm[TASK_COMM_LEN / sizeof(u64)] = {};

		bpf_probe_read_kernel(comm, sizeof(comm), (void *)leader + TASK_COMM);
		if (UNDER)
			return true;
		if (is_topmost(member(leader, TASK_TGID)))
			return false;
		leader = parent_of(leader);
	}
	return true;
}

static __always_inline void fill_ancestors(struct record *r)
{
	if (!HOLDS(FIELD_ANCESTORS))
		return;

	u64 leader = task_member(TASK_GROUP_LEADER);

	r->ancestors->count = 0;
	r->ancestors->cut = 0;
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < ANCESTORS_MAX; i++) {
		u32 tgid = member(leader, TASK_TGID);

		if (!tgid) // idle tasks, which began all
			return;
		r->ancestors->list[i].tgid = tgid;
		bpf_probe_read_kernel(r->ancestors->list[i].comm, TASK_COMM_LEN,
				      (void *)leader + TASK_COMM);
		r->ancestors->count = i + 1;
		if (is_topmost(tgid))
			return;
		leader = parent_of(leader);
	}
	r->ancestors->cut = 1;
}
