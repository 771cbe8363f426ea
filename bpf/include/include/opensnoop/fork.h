// SPDX-License-Identifier: GPL-2.0-only

// Processes that are made: they have the arguments of the one that they were forked from, and are
// followed if that is.

#include <opensnoop/follow.h>
#include <opensnoop/maps.h>
#include <opensnoop/record.h>
#include <opensnoop/task.h>

// copy_args gives a process the arguments of the one that it was forked from.
static __always_inline void copy_args(u32 parent, u32 child)
{
	if (!HOLDS(FIELD_ARGS))
		return;

	struct args *args = program_args.lookup(&parent);

	if (args)
		program_args.update(&child, args);
	else
		program_args.delete(&child); // of one that had the number before
}

// follow_fork follows the child of the current process if that is followed.
static __always_inline void follow_fork(u64 id, u32 parent, u32 child)
{
	if (!FOLLOW)
		return;
	if (slot_read(LOOKING))
		forks.update(&child, &parent);
	if (!is_followed(local_id(id)))
		return;

	u32 *depth = followed.lookup(&parent);

	follow(child, depth ? *depth + 1 : 0);
}

// made is for a task that the current one has just made. The parent is the one that calls, also with
// CLONE_PARENT.
static __always_inline int made(u64 task)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 parent = id >> 32, child = member(task, TASK_TGID);

	if (child == parent)
		return 0; // a thread
	copy_args(parent, child);
	follow_fork(id, parent, child);
	return 0;
}

// sched_process_fork(struct task_struct *parent, struct task_struct *child)
static __always_inline int on_task_fork(struct bpf_raw_tracepoint_args *ctx)
{
	return made(ctx->args[1]);
}

// wake_up_new_task(struct task_struct *child), where no other task can preempt the program and
// have the kernel skip it
static __always_inline int on_task_wake(struct pt_regs *ctx)
{
	return made(PT_REGS_PARM1(ctx));
}
