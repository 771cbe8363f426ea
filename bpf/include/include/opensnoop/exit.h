// SPDX-License-Identifier: GPL-2.0-only

// Processes that end: their numbers are given to others.

#include <opensnoop/filter.h>
#include <opensnoop/follow.h>

// unfollow_ended follows the current process no more if this is its last thread.
static __always_inline void unfollow_ended(u32 tgid)
{
	if (!FOLLOW || !may_be_followed(tgid) || !followed.lookup(&tgid) || !is_last_thread())
		return;

	int bucket = tgid & (FOLLOWED_BUCKETS - 1);
	u64 *by_kernel = followed_by_kernel.lookup(&bucket);

	if (!followed.delete(&tgid) && by_kernel)
		__sync_fetch_and_add(by_kernel, -1);
}

// unlist_ended traces the current process, whose tgid in the tracer's pid namespace is this, no more
// if this is its last thread.
static __always_inline void unlist_ended(u32 tgid)
{
	if (PID_SLOT && tgid == slot_read(PID) && is_last_thread())
		note(PID, NO_PID);
	if (PIDS && pids.lookup(&tgid) && is_last_thread())
		pids.delete(&tgid);
}

// sched_process_exit(struct task_struct *task), which comes for each thread
static __always_inline int on_task_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = bpf_get_current_pid_tgid();

	unfollow_ended(id >> 32);
	unlist_ended(local_id(id) >> 32);
	return 0;
}
