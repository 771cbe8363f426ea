// SPDX-License-Identifier: GPL-2.0-only

// Processes and all that descend from them.
//
// A process is followed by its tgid: what its threads make is followed, and it goes when its
// last thread does. A thread that executes a program and is not the first takes the tgid.

#include <opensnoop/maps.h>
#include <opensnoop/record.h>
#include <opensnoop/task.h>

// follow follows a process that is so far below the one to follow.
static __always_inline void follow(u32 tgid, u32 depth)
{
	int bucket = tgid & (FOLLOWED_BUCKETS - 1);
	u64 *by_kernel = followed_by_kernel.lookup(&bucket);

	if (!followed.insert(&tgid, &depth)) {
		if (by_kernel)
			__sync_fetch_and_add(by_kernel, 1);
	} else if (!followed.lookup(&tgid) || followed.update(&tgid, &depth)) {
		add(UNFOLLOWED, 1);
	} // one that had the number before, and whose end was not seen
}

// may_be_followed reports at little cost whether a process may be followed.
static __always_inline bool may_be_followed(u32 tgid)
{
	int bucket = tgid & (FOLLOWED_BUCKETS - 1);
	u64 *by_kernel = followed_by_kernel.lookup(&bucket), *by_user = followed_by_user.lookup(&bucket);

	return !by_kernel || !by_user || *by_kernel + *by_user;
}

// is_root reports whether the current process, with this pid_tgid in the tracer's pid
// namespace, is the one to follow, and follows it.
static __always_inline bool is_root(u64 id, u64 local)
{
	u64 pid = slot_read(FOLLOW_PID);

	if (!pid || local >> 32 != pid)
		return false;
	note(FOLLOW_PID, 0);
	follow(id >> 32, 0);
	return true;
}

// is_followed reports whether the current process is followed.
static __always_inline bool is_followed(u64 local)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 tgid = id >> 32;

	return (may_be_followed(tgid) && followed.lookup(&tgid)) || is_root(id, local);
}

// depth_of is how far a process is below the one to follow; NULL if it is not followed.
static __always_inline u32 *depth_of(u32 tgid)
{
	return FOLLOW ? followed.lookup(&tgid) : NULL;
}

// current_depth is the same of the current process, and less than 0 if it is not followed.
static __always_inline s64 current_depth(void)
{
	u32 *depth = depth_of(bpf_get_current_pid_tgid() >> 32);

	return depth ? (s64)*depth : -1;
}
