// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_TRACEPOINT_H
#define _OPENSNOOP_TRACEPOINT_H

// The entry and exit of every system call, by raw tracepoints.

#include <opensnoop/trace.h>

// sys_enter(struct pt_regs *regs, long id)
static __always_inline int on_syscall_enter(struct bpf_raw_tracepoint_args *ctx)
{
	struct open_args args = {};
	u64 id;

	if (!is_open(ctx->args[1]))
		return 0;
	id = bpf_get_current_pid_tgid();
	if (!traced(id))
		return 0;
	if (read_open_args(current_regs((void *)ctx->args[0]), ctx->args[1], &args))
		trace_enter(ctx, id, &args);
	return 0;
}

// sys_exit(struct pt_regs *regs, long ret)
static __always_inline int on_syscall_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs = current_regs((void *)ctx->args[0]);

#if FIELDS & FIELD_RESULT
	u32 nr = syscall_nr(regs);

	if (!is_open(nr) && nr != NR_NONE)
		return 0;
#endif
	trace_return(ctx, regs, (long)ctx->args[1]);
	return 0;
}

#endif
