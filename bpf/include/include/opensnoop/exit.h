// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_EXIT_H
#define _OPENSNOOP_EXIT_H

// Processes that end: their numbers are given to others.

#include <opensnoop/filter.h>
#include <opensnoop/follow.h>

#ifdef SIGNAL_LIVE
// unlist_ended traces the current process, whose tgid in the tracer's pid namespace is this, no more
// if this is its last thread.
static __always_inline void unlist_ended(u32 tgid)
{
#ifdef PID_SLOT
	u64 *pid = slot(PID);

	if (!NO_SLOT(pid) && tgid == *pid && is_last_thread())
		*pid = NO_PID;
#elif defined(PIDS)
	if (pids.lookup(&tgid) && is_last_thread())
		pids.delete(&tgid);
#endif
}

// sched_process_exit(struct task_struct *task), which comes for each thread
static __always_inline int on_task_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = bpf_get_current_pid_tgid();

	unfollow_ended(id >> 32);
	unlist_ended(local_id(id) >> 32);
	return 0;
}
#endif

#endif
