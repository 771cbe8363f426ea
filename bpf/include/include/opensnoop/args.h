// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_ARGS_H
#define _OPENSNOOP_ARGS_H

// The arguments that programs were executed with: what a program makes of its memory later does
// not matter. Processes have those of what they were forked from, until they execute something.

#include <opensnoop/follow.h>
#include <opensnoop/maps.h>
#include <opensnoop/record.h>
#include <opensnoop/task.h>

static __always_inline void fill_args(struct record *r)
{
	if (!HOLDS(FIELD_ARGS))
		return;

	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct args *args = program_args.lookup(&tgid);

	if (args)
		__builtin_memcpy(r->args, args, sizeof(*args));
	else
		r->args->size = 0;
}

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

// read_args reads those of the program that the current process has just executed.
static __always_inline void read_args(void)
{
	if (!HOLDS(FIELD_ARGS))
		return;

	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	u64 mm = task_member(TASK_MM);
	u64 start = member(mm, MM_ARG_START);
	u64 size = member(mm, MM_ARG_END) - start;
	struct args args = { .size = size };

	asm volatile("" : "+r"(size)); // for the verifier to see what is compared
	if (size > ARGS_MAX)
		size = ARGS_MAX;
	if (bpf_probe_read_user(args.bytes, size, (void *)start))
		args.size = 0;
	program_args.update(&tgid, &args);
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

#endif
